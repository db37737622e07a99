"""Minimal browser for consent pages: parses the form, submits it, returns the redirect."""

import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from html.parser import HTMLParser
from http.client import HTTPResponse
from typing import Any

_SECONDS = 30


class PageError(Exception):
    """The page has no form, or submitting it did not redirect; the message is the page's text."""


def consent(url: str, *, allow: bool, login: str, scopes: Sequence[str] | None) -> str:
    """Open a consent page, press a button, and return the address it redirects to.

    Args:
        url: The page.
        allow: Press Allow, else Deny.
        login: Typed into the form.
        scopes: The scopes left ticked; None: all.

    Raises:
        PageError: The page has no form, or the answer is no redirect.
    """
    status, _, page = _fetch(url)
    form = _Form(page)
    if status != 200 or not form.action:
        raise PageError(f"{status}: {form.text}")
    ticked = [value for name, value in form.fields if name == "scope" and (scopes is None or value in scopes)]
    kept = [(name, value) for name, value in form.fields if name not in ("scope", "login")]
    pressed = [*kept, ("login", login), *(("scope", each) for each in ticked), ("answer", "allow" if allow else "deny")]
    status, location, page = _fetch(urllib.parse.urljoin(url, form.action), urllib.parse.urlencode(pressed).encode())
    if not location:
        raise PageError(f"{status}: {_Form(page).text}")
    return location


class _Form(HTMLParser):
    """Parser of a page's only form and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: list[tuple[str, str]] = []
        self._words: list[str] = []
        self._is_style = False
        self.feed(page)

    @property
    def text(self) -> str:
        """The page's words, on one line."""
        return " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self._is_style = tag == "style"
        if tag == "form":
            self.action = named.get("action") or ""
        elif tag == "input":
            self.fields.append((named.get("name") or "", named.get("value") or ""))

    def handle_data(self, data: str) -> None:
        if not self._is_style:
            self._words.append(data)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirect handler that follows no redirect."""

    def redirect_request(self, *_args: Any) -> None:
        return None


def _fetch(url: str, form: bytes | None = None) -> tuple[int, str, str]:
    # The browser is not under test: it accepts the sandbox's private certificate unverified.
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(
        _NoRedirect, urllib.request.HTTPSHandler(context=trusting), urllib.request.ProxyHandler({})
    )
    try:
        answer: HTTPResponse = opener.open(url, form, timeout=_SECONDS)
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code, problem.headers.get("Location") or "", problem.read().decode("utf-8", "replace")
    with answer:
        return answer.status, "", answer.read().decode("utf-8", "replace")
