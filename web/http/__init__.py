"""What every HTTP request passes: problems, limits, names and the protocol itself."""
