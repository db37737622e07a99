"""Links and the hosts they may name, read the way a browser reads them. Knows no HTTP."""

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from pydantic_core import Url, ValidationError

LONGEST_LINK = 2048  # the longest address every browser and proxy of the field takes
# Browsers let more pass (`a;b.example` is a name to them), but no host of ours or of a gallery's is called so.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")


class LinkRefused(ValueError):
    """The link is not one we may send anybody to, or read from; says why without repeating it."""


def host_matches(host: str, patterns: Sequence[str]) -> bool:
    """Say whether a host name is named by one of the patterns.

    Args:
        host: lower-case host name without a port.
        patterns: `x` names x, `*.x` names x and its subdomains, `*` names every host.
    """
    return any(
        pattern == "*" or host == pattern.removeprefix("*.") or (pattern[:2] == "*." and host.endswith(pattern[1:]))
        for pattern in patterns
    )


def check_link(link: str, hosts: Sequence[str], *, local: bool = False) -> SplitResult:
    """Return the parts of a link that a browser would open at an allowed host.

    Args:
        link: as somebody gave it.
        hosts: patterns of allowed hosts, see `host_matches`.
        local: also let plain http and any port pass (sandbox and tests).

    Raises:
        LinkRefused: not https on its default port, a host that is not allowed, or a text that a browser and a
            plain parser might understand differently (user-info, backslashes, control characters, look-alikes).
    """
    if len(link) > LONGEST_LINK:
        raise LinkRefused("is too long")
    if _FORBIDDEN.search(link):
        raise LinkRefused("holds characters that no link holds")
    parts = _split_like_a_browser(link)
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        raise LinkRefused("must be https")
    if parts.port is not None and not local:
        raise LinkRefused("must use the default port")
    if not host_matches(parts.hostname or "", hosts):
        raise LinkRefused("names a host that is not allowed")
    return parts


def _split_like_a_browser(link: str) -> SplitResult:
    """Split a link that means the same to a browser (WHATWG) and to a plain parser (RFC 3986)."""
    try:
        seen = Url(link)
        parts = urlsplit(link)
        port = parts.port
    except (ValidationError, ValueError):
        raise LinkRefused("is not a web address") from None
    host = (parts.hostname or "").lower()
    # Both parsers must see one and the same host: what differs is an attack or a look-alike.
    same = host == (seen.host or "").strip("[]")
    if not same or not _HOST.fullmatch(host) or host.endswith(".") or "@" in parts.netloc:
        raise LinkRefused("is not a plain web address")
    # A scheme's own port may be written out; browsers drop it, and so do we.
    default = {"http": 80, "https": 443}.get(parts.scheme)
    netloc = parts.netloc.lower() if port != default else parts.netloc.lower().rpartition(":")[0]
    return parts._replace(netloc=netloc or parts.netloc)
