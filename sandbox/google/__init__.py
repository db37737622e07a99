"""Stand-ins of Google's OAuth endpoints and the Drive API, stricter than the real ones."""
