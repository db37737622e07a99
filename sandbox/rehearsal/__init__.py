"""Rehearsal: a deployment with compose, walked through as an operator would; run by `scripts/rehearse`."""
