"""The guest's browser at the consent page: reads the form, presses a button, tells where it is sent."""

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
    """There was no form, or pressing the button led nowhere; the text says what stood there instead."""


def consent(url: str, *, allow: bool, login: str, scopes: Sequence[str] | None) -> str:
    """Open a consent page, press a button, and return where that leads without going there.

    Args:
        url: The page.
        allow: Which button.
        login: Typed into the form.
        scopes: The boxes to leave ticked; None leaves all.

    Raises:
        PageError: The page has no form, or the answer sends nowhere.
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
    """Collects a page's only form, and what the page says."""

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


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nothing."""

    def redirect_request(self, *_args: Any) -> None:
        return None


def _fetch(url: str, form: bytes | None = None) -> tuple[int, str, str]:
    # The guest's browser is not what is tested: it takes the sandbox's own authority as it is.
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(
        _Stay, urllib.request.HTTPSHandler(context=trusting), urllib.request.ProxyHandler({})
    )
    try:
        answer: HTTPResponse = opener.open(url, form, timeout=_SECONDS)
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code, problem.headers.get("Location") or "", problem.read().decode("utf-8", "replace")
    with answer:
        return answer.status, "", answer.read().decode("utf-8", "replace")
