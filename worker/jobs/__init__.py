"""What becomes of a job: its claim, its slices, its progress and its end."""
