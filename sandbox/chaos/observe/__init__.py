"""Observation of a chaos run: status pages, cloud accounts, and the clock of undisturbed time."""
