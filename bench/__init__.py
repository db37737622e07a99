"""Benchmarks: the worker and other programs copying the same photos over the same connection."""
