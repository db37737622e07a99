"""The main job once, as a guest would do it, on real parts in the pretend world: what `scripts/demo` runs."""
