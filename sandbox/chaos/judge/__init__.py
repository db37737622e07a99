"""Verdicts of a chaos run: what was lost, doubled, told or shown wrongly."""
