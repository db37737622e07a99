"""Job ids: what names an archive everywhere. Whoever has one may read that archive's status. Knows nothing else."""

import secrets


def make_job_id() -> str:
    """Return a fresh id that nobody can guess: 128 random bits, safe in a URL."""
    return secrets.token_urlsafe(16)
