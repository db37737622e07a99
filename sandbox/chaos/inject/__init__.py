"""Faults of a chaos run: what kills programs, cuts connections and makes the stand-ins fail."""
