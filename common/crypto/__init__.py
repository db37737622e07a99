"""Sealing (authenticated encryption) and signatures."""
