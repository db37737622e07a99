"""Client of the gallery: its list, its photos and the done call."""
