"""The gallery's stand-in: lists, photos, pictures."""
