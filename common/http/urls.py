"""Checking links and their hosts, read the way a browser reads them."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, unquote, urlsplit

# Imported at the start: a thread that imports it while another one imports requests may find it half initialised.
import idna
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from common.http.network_policy import PUBLIC_ONLY, NetworkPolicy

MAX_LINK_LENGTH = 2048  # the longest address every browser and proxy of the field takes
DEFAULT_PORTS = {"http": 80, "https": 443}
# Half a surrogate pair is half a character: JSON may bring one, and no link, header or message can carry it.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\\\ud800-\udfff]")
# What means the same host to a browser (https://url.spec.whatwg.org) and to a plain parser (RFC 3986); the tests ask a
# browser's parser. Both let more pass (`a;b.example` is a name), but no host of ours or of a gallery's is called so.
_PLAIN_LINK = re.compile(
    r"[a-z][a-z0-9+.-]*://(?P<host>[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])(:(?P<port>[0-9]*))?([/?#].*)?",
    re.ASCII | re.IGNORECASE,
)
# What the DNS can carry, and so what a name can be: https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4
_MAX_NAME_LENGTH = 253
# A hyphen neither begins nor ends a label: https://www.rfc-editor.org/rfc/rfc1123#section-2.1
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# A name that ends so is an address to browsers, in any of its many spellings.
_NUMERIC_NAME = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
# An address that needs no rewriting: RFC 3986's own characters and escapes, a port that is one for certain, and no part
# of its path begins with a dot.
_NORMALIZED = re.compile(
    r"https?://[a-z0-9.-]+(:[0-9]{1,4})?(/(?!\.)([\w~!$&'()*+,;=:@.-]++|%[0-9A-F]{2})*+)++"
    r"(\?([\w~!$&'()*+,;=:@./?-]++|%[0-9A-F]{2})*+)?",
    re.ASCII,
)
_FORBIDDEN_IN_PATHS = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]")
# Some servers cut a segment at its semicolon before they look for dots.
_DOT_SEGMENT = re.compile(r"(?:^|/)\.\.?(?:;[^/]*)?(?:/|\Z)")


class LinkRefused(ValueError):
    """A link that guests may not be sent to, or photos read from; says why without repeating it."""


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


def check_link(
    link: str, hosts: Sequence[str], policy: NetworkPolicy = PUBLIC_ONLY, *, max_length: int = MAX_LINK_LENGTH
) -> SplitResult:
    """Return the parts of a link that a browser would open at an allowed host.

    Args:
        link: as it was given.
        hosts: patterns of allowed hosts, see `host_matches`.
        policy: whether plain http and any port pass as well.
        max_length: characters it may have.

    Raises:
        LinkRefused: not https on its default port, a host that is not allowed, or a text that a browser and a
            plain parser might understand differently (user-info, backslashes, control characters, look-alikes).
    """
    if len(link) > max_length:
        raise LinkRefused("is too long")
    if _FORBIDDEN.search(link):
        raise LinkRefused("holds characters that no link holds")
    parts, host, port = _split_like_a_browser(link)
    if parts.scheme not in policy.schemes:
        raise LinkRefused("must be https")
    if port is not None and not policy.allow_private:
        raise LinkRefused("must use the default port")
    if not host_matches(host, hosts):
        raise LinkRefused("names a host that is not allowed")
    return parts


def check_path(path: str) -> None:
    """Check a path that another server will be asked for.

    Raises:
        LinkRefused: it is empty, or a server might leave its folder by it or read it differently.
    """
    decoded = decode_fully(path)
    if not decoded.strip("/"):
        raise LinkRefused("must have a path")
    if _FORBIDDEN_IN_PATHS.search(decoded):
        raise LinkRefused("holds characters that no link holds")
    if _DOT_SEGMENT.search(decoded):
        raise LinkRefused("must not hold dot segments")


def decode_fully(path: str) -> str:
    """Percent-decode until nothing changes: a chain of servers may decode more than once."""
    decoded = unquote(path)
    while decoded != path:
        path, decoded = decoded, unquote(decoded)
    return path


def normalize_link(link: str) -> str:
    """Return a web address in the characters that may stand in one (RFC 3986).

    Blanks and letters of other scripts are percent-encoded, dot segments are resolved, what is encoded stays.

    Raises:
        LinkRefused: it is no web address.
    """
    if _NORMALIZED.fullmatch(link):
        return link
    try:
        parts = parse_url(link)
    except LocationParseError:
        raise LinkRefused("is no usable address") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.host:
        raise LinkRefused("is no web address")
    return parts.url


def _split_like_a_browser(link: str) -> tuple[SplitResult, str, int | None]:
    """Split a link that means the same to a browser and to a plain parser.

    Returns:
        its parts, its host in lower case, and its port unless that is its scheme's own.
    """
    plain = _PLAIN_LINK.fullmatch(link)
    if not plain:
        raise LinkRefused("is not a plain web address")
    host, port = plain["host"].lower(), int(plain["port"]) if plain["port"] else None
    if not _is_plain(host) or (port or 0) > 65535:
        raise LinkRefused("is not a plain web address")
    parts = urlsplit(link)
    # A scheme's own port may be written out; browsers drop it, and so do we.
    if port == DEFAULT_PORTS.get(parts.scheme):
        port = None
    netloc = host if port is None else f"{host}:{plain['port']}"
    parts = parts if netloc == parts.netloc else parts._replace(netloc=netloc)
    return parts, host.strip("[]"), port


def _is_plain(host: str) -> bool:
    """Say whether a host is a name that can be resolved, or an address in its canonical spelling."""
    try:
        if host[0] == "[":
            return host == f"[{IPv6Address(host[1:-1])}]"
        if _NUMERIC_NAME.fullmatch(host):
            return host == str(IPv4Address(host))
    except ValueError:
        return False
    return len(host) <= _MAX_NAME_LENGTH and all(_is_label(label) for label in host.split("."))


def _is_label(label: str) -> bool:
    """Say whether a label can stand in a name; one of another script only as browsers and registries write it.

    Browsers do not open a name with a label that decodes to nothing, or to what is encoded differently:
    https://www.unicode.org/reports/tr46/#Validity_Criteria.
    """
    if not _LABEL.fullmatch(label):
        return False
    if not label.startswith("xn--"):
        return True
    try:
        return idna.alabel(idna.ulabel(label)) == label.encode()
    except ValueError:  # IDNAError and UnicodeError are both
        return False
