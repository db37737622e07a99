"""Outgoing HTTP: the client, its connections, and what is checked before they are made."""
