"""A guest's way through the cloud's consent page and back."""
