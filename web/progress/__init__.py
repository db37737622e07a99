"""How archives get on, as this replica hears and tells it."""
