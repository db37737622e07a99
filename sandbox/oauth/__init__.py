"""Consent pages, tokens and the guest's browser, as every vendor has them."""
