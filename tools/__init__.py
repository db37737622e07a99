"""Commands for operators; the services do not import them."""
