"""Promise: what a guest asked for, on its way through the cloud's consent page and back. Knows no HTTP.

It travels sealed in OAuth's `state`, so that any replica can take the callback and nobody else can read or change it.
"""

import json
from dataclasses import dataclass
from typing import Literal

from pydantic_core import to_json

from common.crypto.sealing import NotSealedByUs, Sealer

ArchiveType = Literal["webs", "originals"]

# A guest may look for their password for a while; a state that is found later, in some history, is worth nothing.
LIFETIME_SECONDS = 3600
_VERSION = 1


class InvalidState(ValueError):
    """The state is missing, changed, too old, or was made for another cloud; says which, never what it held."""


@dataclass(frozen=True)
class OAuthState:
    """One request, until the guest is back.

    Args:
        job_id: of the job it becomes.
        issued_at: when it was made, Unix time in whole seconds.
        verifier: PKCE's secret.
        archive_type, archive_url, gallery_name: as the gallery gave them.
        success_link, fail_link: where the guest goes in the end, as the gallery gave them.
        traceparent: the request's step of its trace; empty in states of an earlier version.
    """

    job_id: str
    issued_at: int
    verifier: str
    archive_type: ArchiveType
    archive_url: str
    gallery_name: str
    success_link: str
    fail_link: str
    traceparent: str = ""

    def __repr__(self) -> str:
        return f"OAuthState({self.job_id})"

    def seal(self, sealer: Sealer, cloud_type: str) -> str:
        """Return the state that carries this through one cloud's consent page."""
        return sealer.seal(to_json([_VERSION, *vars(self).values()]).decode(), _context(cloud_type))


def open_state(sealer: Sealer, cloud_type: str, state: str, now: float) -> OAuthState:
    """Return the promise that came back from a cloud.

    Args:
        sealer: with the keys that may have sealed it.
        cloud_type: the cloud it came back from.
        state: as it came back.
        now: Unix time in seconds.

    Raises:
        InvalidState: there is no such promise.
    """
    try:
        version, *values = json.loads(sealer.open(state, _context(cloud_type)))
    except NotSealedByUs as error:
        raise InvalidState(str(error)) from None
    if version != _VERSION:
        raise InvalidState("made by another version")
    opened = OAuthState(*values)
    if now - opened.issued_at > LIFETIME_SECONDS:
        raise InvalidState("too old")
    return opened


def _context(cloud_type: str) -> str:
    return f"state:{cloud_type}"
