"""The gallery's request on its way through the cloud's consent page, sealed into OAuth's `state` parameter.

Any replica can take the callback, and nobody else can read or change what travels. RFC 6749, section 4.1.1.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from common.crypto.sealing import NotSealedByUs, Sealer

ArchiveType = Literal["webs", "originals"]

# A guest may look for their password for a while; a state found later, in some browser history, is worth nothing.
LIFETIME_SECONDS = 3600
# Under "v". Raised only when an older reader would do harm by ignoring what is new; a new field needs no other version.
_VERSION = 2
# Each field's key in the sealed JSON: short, since Yandex takes 1024 characters of state. Never reused.
_KEYS = {
    "job_id": "j",
    "issued_at": "t",
    "verifier": "c",
    "archive_type": "a",
    "archive_url": "u",
    "gallery_name": "n",
    "success_link": "s",
    "fail_link": "f",
    "traceparent": "p",
    "page_language": "l",
}
# Version 1 was a list: its version, then these. Read as long as a replica of it may have sealed a state within an hour.
_VERSION_1_FIELDS = tuple(_KEYS)[:9]


class InvalidState(ValueError):
    """The state is missing, changed, too old, or was made for another cloud; says which, never what it held.

    Args:
        why: in a few words.
        way_back: the gallery's page, where the state is ours and told it; else empty.
    """

    def __init__(self, why: str, way_back: str = "") -> None:
        super().__init__(why)
        self.way_back = way_back


@dataclass(frozen=True)
class OAuthState:
    """What the gallery asked for, until the guest is back.

    Args:
        job_id: of the job it becomes.
        issued_at: Unix time in whole seconds.
        verifier: PKCE's code verifier, RFC 7636.
        archive_type, archive_url, gallery_name: as the gallery gave them.
        success_link, fail_link: where the guest goes in the end, as the gallery gave them.
        traceparent: W3C trace context of the request; empty if unknown.
        page_language: of our page, if the guest asked there and goes back there; empty when they asked at the gallery.
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
    page_language: str = ""

    def __repr__(self) -> str:
        return f"OAuthState({self.job_id})"

    def seal(self, sealer: Sealer, cloud_type: str) -> str:
        """Return the `state` parameter for one cloud's consent page."""
        content = {"v": _VERSION, **{_KEYS[name]: value for name, value in asdict(self).items()}}
        return sealer.seal(json.dumps(content, ensure_ascii=False, separators=(",", ":")), _context(cloud_type))


def open_state(sealer: Sealer, cloud_type: str, state: str, now: float) -> OAuthState:
    """Return what was sealed into a `state` parameter.

    Args:
        sealer: with the keys that may have sealed it.
        cloud_type: the cloud whose consent page the guest comes back from.
        state: the parameter as it came back.
        now: Unix time in seconds.

    Raises:
        InvalidState: it was not sealed here for this cloud, has another version, or is too old.
    """
    try:
        content = json.loads(sealer.open(state, _context(cloud_type)))
    except NotSealedByUs as error:
        raise InvalidState(str(error)) from None
    opened = _decode(content)
    if now - opened.issued_at > LIFETIME_SECONDS:
        raise InvalidState("too old", opened.fail_link)
    return opened


def redirect_uri(public_base_url: str, cloud_type: str) -> str:
    """Return where a cloud sends guests back to; registered there, byte for byte."""
    return f"{public_base_url}/cloud_archive/callback/{cloud_type}"


def _decode(content: Any) -> OAuthState:
    """Read the sealed JSON; keys and values that this version does not know are ignored."""
    if isinstance(content, list):
        version, *values = content
        fields = dict(zip(_VERSION_1_FIELDS, values, strict=False))
        known = version == 1
    else:
        fields = {name: content[key] for name, key in _KEYS.items() if key in content}
        known = content["v"] == _VERSION
    if not known:
        raise InvalidState("made by another version")
    try:
        return OAuthState(**fields)
    except TypeError:
        raise InvalidState("lacks a field") from None


def _context(cloud_type: str) -> str:
    return f"state:{cloud_type}"
