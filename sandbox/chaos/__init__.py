"""Chaos test: real processes and a real broker, killed and disconnected at random while guests save galleries."""
