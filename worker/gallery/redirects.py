"""Resolve redirects as browsers do.

Where RFC 3986 and browsers differ, browsers count: galleries are built and looked at with browsers. So a `Location` may
hold letters of any script, blanks and backslashes, and may be relative in every way.
https://url.spec.whatwg.org/#url-parsing
"""

import re
import unicodedata
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from common.http.urls import DEFAULT_PORTS, LinkRefused, normalize_link

# As many as browsers follow: https://fetch.spec.whatwg.org/#http-redirect-fetch
MAX_REDIRECTS = 20
# The other 3xx statuses are not followed: https://fetch.spec.whatwg.org/#redirect-status
_REDIRECT_STATUSES = (301, 302, 303, 307, 308)
_BLANKS = "".join(map(chr, range(0x21)))
_LINE_BREAKS = re.compile(r"[\t\n\r]")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NAME_AND_PORT = re.compile(r"[\w.-]+(:[0-9]*)?")


def read_location(status: int, headers: Mapping[str, str]) -> str:
    """Return the `Location` of a redirect, in ASCII; empty when the answer is no redirect.

    Header bytes come as the letters of ISO 8859-1 that they would be. They are escaped byte by byte, as browsers do,
    and so mean what the server meant whatever script it wrote in: the letters of UTF-8 become their own escapes.

    Args:
        status: of the answer.
        headers: of the answer, under lower-case names.
    """
    text = headers.get("location", "") if status in _REDIRECT_STATUSES else ""
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        raw = text.encode("utf-8", "replace")
    return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in raw).strip(_BLANKS)


def resolve_link(base: str, target: str) -> str:
    """Return the absolute URL of a link found at `base`, written as `common.http.urls.normalize_link` writes them.

    Args:
        base: the web address that it was found at.
        target: the link, in ASCII; its fragment is dropped.

    Raises:
        LinkRefused: it is no web address.
    """
    rest, mark, query = _LINE_BREAKS.sub("", target.strip(_BLANKS)).partition("#")[0].partition("?")
    scheme, rest = _read_scheme(base.partition(":")[0].lower(), rest.replace("\\", "/"))
    if rest.startswith("//"):
        host, _, path = rest.lstrip("/").partition("/")
        origin, path = f"{scheme}://{_read_host(host)}", f"/{path}"
    else:
        parts = urlsplit(base)
        origin = f"{scheme}://{parts.netloc}"
        if not rest:
            path, query = parts.path, query if mark else parts.query
        else:
            path = rest if rest[0] == "/" else f"{parts.path.rpartition('/')[0]}/{rest}"
    written = f"{_remove_dot_segments(path)}?{query}" if query else _remove_dot_segments(path)
    return normalize_link(origin + _BARE_PERCENT.sub("%25", written))


def _read_scheme(scheme: str, rest: str) -> tuple[str, str]:
    """Return the scheme of a link, and what follows it: `https:a` is relative where the scheme is the same."""
    named = _SCHEME.match(rest)
    if not named:
        return scheme, rest
    own, rest = named[1].lower(), rest[named.end() :]
    if own not in DEFAULT_PORTS:
        raise LinkRefused("is no web address")
    return own, rest if own == scheme else f"//{rest}"


def _read_host(host: str) -> str:
    """Return a host, and its port, with the letters that stand behind escapes; one of another script is encoded later.

    What would be more than a name and a port then stays as it is, for others to refuse.
    """
    plain = unicodedata.normalize("NFKC", unquote(host))
    return plain if _NAME_AND_PORT.fullmatch(plain) else host


def _remove_dot_segments(path: str) -> str:
    """Return a path without `.` and `..`, escaped ones included (RFC 3986, section 5.2.4)."""
    kept: list[str] = []
    step = ""
    for part in path.split("/")[1:]:
        step = part.lower().replace("%2e", ".")
        if step == "..":
            del kept[-1:]
        elif step != ".":
            kept.append(part)
    # What ends with such a step is a folder.
    return "/" + "/".join([*kept, ""] if step in (".", "..") else kept)
