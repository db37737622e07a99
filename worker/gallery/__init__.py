"""The gallery: its list, its photos and the call that tells it of an end."""
