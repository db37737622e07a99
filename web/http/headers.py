"""Content negotiation, entity tags and links in headers."""

import hashlib
import re
from urllib.parse import quote


def make_etag(content: bytes) -> str:
    """Return the entity tag of an answer."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def etag_matches(etag: str, if_none_match: str) -> bool:
    """Return whether an If-None-Match header names an entity tag, weak or strong (RFC 9110, section 13.1.2)."""
    known = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return etag in known or "*" in known


def encode_location(link: str) -> str:
    """Return a link unchanged, except that characters no header can carry are percent-encoded as a browser would."""
    return re.sub(r"[^\x21-\x7e]+", lambda match: quote(match[0]), link)


def prefers_html(accept: str) -> bool:
    """Return whether an Accept header prefers HTML to JSON (RFC 9110, section 12.5.1)."""
    weights: dict[str, float] = {}
    for word in accept.lower().split(","):
        media, *parameters = (part.strip() for part in word.split(";"))
        weights[media] = max(weights.get(media, 0.0), _read_weight(parameters))

    def weigh(*ranges: str) -> float:
        return next((weights[each] for each in ranges if each in weights), 0.0)

    return weigh("text/html", "text/*", "*/*") > weigh("application/json", "application/*", "*/*")


def _read_weight(parameters: list[str]) -> float:
    try:
        return next((float(each[2:]) for each in parameters if each.startswith("q=")), 1.0)
    except ValueError:
        return 0.0
