"""The pretend Google: accounts that consent, and a Drive that is stricter than the real one."""
