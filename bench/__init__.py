"""The benchmark: our worker beside the programs a user would pick instead, on the same work, over the same wire."""
