"""Checks of OAuth 2.0 requests (RFC 6749) and PKCE (RFC 7636)."""

import base64
import binascii
import re
import urllib.parse

from sandbox.http.message import Reply, Request, text_reply


def names_nothing_twice(request: Request) -> bool:
    """Tell whether no query parameter is repeated (RFC 6749, section 3.1)."""
    names = [name for name, _ in urllib.parse.parse_qsl(request.query_string, keep_blank_values=True)]
    return len(names) == len(set(names))


def is_allowed_redirect(uri: str) -> bool:
    """Tell whether a redirect URI may be registered.

    https://developers.google.com/identity/protocols/oauth2/web-server#uri-validation
    """
    parts = urllib.parse.urlsplit(uri)
    # Loopback may be plain; fragments, user-info and wildcards are never allowed.
    secure = parts.scheme == "https" or (parts.scheme == "http" and bool(parts.hostname))
    return secure and not parts.fragment and "@" not in parts.netloc and "*" not in uri and ".." not in parts.path


def has_good_challenge(asked: dict[str, str], *, needed: bool) -> bool:
    """Tell whether a consent request has a valid S256 challenge, or none where none is needed."""
    challenge = asked.get("code_challenge", "")
    if not challenge:
        return not needed
    return asked.get("code_challenge_method") == "S256" and bool(re.fullmatch(r"[A-Za-z0-9_-]{43}", challenge))


def credentials(request: Request, form: dict[str, str]) -> tuple[str, str]:
    """Return the client's id and secret from the Basic header, else from the form."""
    kind, _, packed = (request.headers.get("Authorization") or "").partition(" ")
    if kind.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client, _, secret = base64.b64decode(packed, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return urllib.parse.unquote(client), urllib.parse.unquote(secret)


def send_to(redirect_uri: str, answer: dict[str, str]) -> Reply:
    """Return the redirect to the client's callback."""
    reply = text_reply("", 302)
    reply.headers["Location"] = f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urllib.parse.urlencode(answer)}"
    return reply
