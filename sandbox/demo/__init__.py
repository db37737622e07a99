"""Demo: one archive saved by real processes into the stand-ins; run by `scripts/demo`."""
