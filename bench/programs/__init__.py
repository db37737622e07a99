"""The programs that are compared, one file each. Empty, so that what a program takes is its own; see `bench.lineup`."""
