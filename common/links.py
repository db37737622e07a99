"""Links and the hosts they may name, read the way a browser reads them. Knows no HTTP."""

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic_core import Url, ValidationError

LONGEST_LINK = 2048  # the longest address every browser and proxy of the field takes
# Browsers let more pass (`a;b.example` is a name to them), but no host of ours or of a gallery's is called so.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_PLACE = re.compile(r"(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]*))?")
_FORBIDDEN_IN_PATHS = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
# Some servers cut a segment at its semicolon before they look for dots.
_DOT_SEGMENT = re.compile(r"(?:^|/)\.\.?(?:;[^/]*)?(?:/|\Z)")
_DEFAULT_PORTS = {"http": 80, "https": 443}


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
    parts, host, port = _split_like_a_browser(link)
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        raise LinkRefused("must be https")
    if port is not None and not local:
        raise LinkRefused("must use the default port")
    if not host_matches(host, hosts):
        raise LinkRefused("names a host that is not allowed")
    return parts


def check_path(path: str) -> None:
    """Look at a path that another server will be asked for.

    Raises:
        LinkRefused: it is none, or one that a server might walk up or read differently.
    """
    decoded = decode_fully(path)
    if not decoded.strip("/"):
        raise LinkRefused("must have a path")
    if _FORBIDDEN_IN_PATHS.search(decoded):
        raise LinkRefused("holds characters that no link holds")
    if _DOT_SEGMENT.search(decoded):
        raise LinkRefused("must not hold dot segments")


def decode_fully(path: str) -> str:
    """Decode until nothing changes: a chain of servers may decode more than once."""
    decoded = unquote(path)
    while decoded != path:
        path, decoded = decoded, unquote(decoded)
    return path


def _split_like_a_browser(link: str) -> tuple[SplitResult, str, int | None]:
    """Split a link that means the same to a browser (WHATWG) and to a plain parser (RFC 3986).

    Returns:
        its parts, its host in lower case, and its port unless that is its scheme's own.
    """
    try:
        seen = Url(link)
        parts = urlsplit(link)
    except (ValidationError, ValueError):
        raise LinkRefused("is not a web address") from None
    place = _PLACE.fullmatch(parts.netloc.lower())
    # Both parsers must see one and the same host: what differs is an attack or a look-alike.
    if not place or place["host"] != seen.host or place["host"].endswith("."):
        raise LinkRefused("is not a plain web address")
    port = int(place["port"]) if place["port"] else None
    # A scheme's own port may be written out; browsers drop it, and so do we.
    is_default = port is not None and port == _DEFAULT_PORTS.get(parts.scheme)
    netloc = place["host"] if is_default else place[0]
    parts = parts if netloc == parts.netloc else parts._replace(netloc=netloc)
    return parts, place["host"].strip("[]"), None if is_default else port
