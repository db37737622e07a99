"""What every vendor's accounts do alike: the consent page and its two buttons, and tokens that end. Knows no vendor."""

import http.cookies
import urllib.parse
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from sandbox.faults.plan import Faults
from sandbox.http.message import Reply, Request
from sandbox.http.service import Service
from sandbox.oauth import browser
from sandbox.oauth.pages import Look, show_consent, show_refusal
from sandbox.oauth.requests import send_to
from sandbox.oauth.tokens import Tokens

T = TypeVar("T", bound=Tokens[Any])


class Accounts(Service, Generic[T]):
    """A vendor's accounts. Thread-safe.

    Attributes:
        look: How the consent page looks.
        denied: What a guest who denies brings back.
        pages: Path of the cloud's own pages that are to know who looks at them; empty: none are.
        tokens: Every code and token.
        need_pkce: Refuse consent without an S256 challenge.
    """

    look: ClassVar[Look]
    denied: ClassVar[dict[str, str]]
    pages: ClassVar[str] = ""

    def __init__(self, tokens: T, faults: Faults, violations: list[str]):
        super().__init__(faults, violations)
        self.tokens = tokens
        self.need_pkce = True

    @property
    def refreshes(self) -> int:
        """How often a refresh token was brought, refused ones included."""
        return self.tokens.refreshes

    @property
    def exchanges(self) -> int:
        """How often a code was brought, refused ones included."""
        return self.tokens.exchanges

    @property
    def ttl(self) -> float:
        """Seconds an access token lives."""
        return self.tokens.ttl

    @ttl.setter
    def ttl(self, seconds: float) -> None:
        self.tokens.ttl = seconds

    def consent(
        self, consent_url: str, allow: bool = True, login: str = "guest", scopes: Sequence[str] | None = None
    ) -> str:
        """Do what a guest's browser does with the consent page, over HTTP.

        Args:
            consent_url: Where the guest was sent.
            allow: Press Allow, else Deny.
            login: Whose account.
            scopes: The boxes left ticked; None leaves all.

        Returns:
            Where the page sends the browser next; it is not followed.

        Raises:
            browser.PageError: There was an error page instead.
        """
        return browser.consent(consent_url, allow=allow, login=login, scopes=scopes)

    def expire_tokens(self, login: str | None = None, older_than: float = 0.0) -> None:
        """End every access token at once that is so many seconds old, as if its time was over."""
        self.tokens.expire(login, older_than)

    def revoke(self, login: str) -> None:
        """Do what a guest does who takes the access back: every token ends."""
        self.tokens.revoke(login)

    @abstractmethod
    def find_problem(self, request: Request) -> str:
        """Return what is wrong with a request for consent, in the vendor's words; empty if nothing is."""

    @abstractmethod
    def wanted(self, asked: dict[str, str]) -> list[str]:
        """Return the scopes that a request for consent asks for."""

    @abstractmethod
    def give_code(self, asked: dict[str, str], login: str, scopes: tuple[str, ...]) -> dict[str, str]:
        """Return what a guest who allows brings back."""

    def _ask(self, request: Request) -> Reply:
        if problem := self.find_problem(request):
            return show_refusal(self.look, problem)
        asked = request.query
        login = asked.get("login_hint") or "guest"
        return show_consent(self.look, asked["client_id"], login, self.wanted(asked), request.query_string)

    def _decide(self, request: Request) -> Reply:
        pressed = urllib.parse.parse_qs(request.content().decode(), keep_blank_values=True)
        asked = dict(urllib.parse.parse_qsl(pressed["asked"][0], keep_blank_values=True))
        state: dict[str, str] = {"state": asked["state"]} if "state" in asked else {}
        if pressed.get("answer") != ["allow"]:
            return send_to(asked["redirect_uri"], self.denied | state)
        login = pressed["login"][0]
        scopes = tuple(each for each in self.wanted(asked) if each in pressed.get("scope", []))
        reply = send_to(asked["redirect_uri"], state | self.give_code(asked, login, scopes))
        if self.pages:
            # Browsers give a cookie to every port of its host.
            cookie = f"{self.name}={urllib.parse.quote(login, safe='')}; Path={self.pages}; SameSite=Lax"
            reply.headers["Set-Cookie"] = cookie
        return reply

    def signed_in(self, request: Request) -> str:
        """Return who allowed something last in this browser; empty if nobody did."""
        cookie = http.cookies.SimpleCookie(request.headers.get("Cookie") or "").get(self.name)
        return urllib.parse.unquote(cookie.value) if cookie else ""
