"""Load of a chaos run: galleries, and the guests who save them and stop what they began."""
