"""Outgoing HTTP: the client, its connection pool, and the checks of links and addresses."""
