"""Sealing and signing."""
