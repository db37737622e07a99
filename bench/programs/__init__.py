"""Programs to compare, one file each (see `bench.lineup`); imports nothing, so that each pays for its own imports."""
