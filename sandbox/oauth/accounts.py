"""Base of both clouds' OAuth servers: the consent page and the life of tokens."""

import http.cookies
import urllib.parse
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from sandbox.faults.plan import FaultPlan
from sandbox.http.message import Reply, Request
from sandbox.http.service import Service
from sandbox.oauth import browser
from sandbox.oauth.pages import PageStyle, show_consent, show_refusal
from sandbox.oauth.requests import send_to
from sandbox.oauth.tokens import Tokens

T = TypeVar("T", bound=Tokens[Any])


class Accounts(Service, Generic[T]):
    """A vendor's OAuth server. Thread-safe.

    Attributes:
        style: Appearance of the consent page.
        denied: Parameters of the callback when the guest denies.
        pages: Path of the cloud's own pages, which get a cookie with the guest's login; empty: none.
        tokens: All codes and tokens.
        need_pkce: Reject consent requests without an S256 challenge.
    """

    style: ClassVar[PageStyle]
    denied: ClassVar[dict[str, str]]
    pages: ClassVar[str] = ""

    def __init__(self, tokens: T, faults: FaultPlan, violations: list[str]):
        super().__init__(faults, violations)
        self.tokens = tokens
        self.need_pkce = True

    @property
    def refreshes(self) -> int:
        """Number of refresh requests, rejected ones included."""
        return self.tokens.refreshes

    @property
    def exchanges(self) -> int:
        """Number of code exchanges, rejected ones included."""
        return self.tokens.exchanges

    @property
    def ttl(self) -> float:
        """Lifetime of access tokens, in seconds."""
        return self.tokens.ttl

    @ttl.setter
    def ttl(self, seconds: float) -> None:
        self.tokens.ttl = seconds

    def consent(
        self, consent_url: str, allow: bool = True, login: str = "guest", scopes: Sequence[str] | None = None
    ) -> str:
        """Answer the consent page over HTTP, as a guest's browser does.

        Args:
            consent_url: The page.
            allow: Press Allow, else Deny.
            login: The account.
            scopes: The scopes left ticked; None: all.

        Returns:
            The address of the callback; it is not requested.

        Raises:
            browser.PageError: An error page was shown instead.
        """
        return browser.consent(consent_url, allow=allow, login=login, scopes=scopes)

    def expire_tokens(self, login: str | None = None, older_than: float = 0.0) -> None:
        """Expire the access tokens that are at least so many seconds old."""
        self.tokens.expire(login, older_than)

    def revoke(self, login: str) -> None:
        """Revoke all tokens of a guest, as the guest can in the account's settings."""
        self.tokens.revoke(login)

    @abstractmethod
    def find_problem(self, request: Request) -> str:
        """Return what is wrong with a consent request, in the vendor's words; empty if nothing is."""

    @abstractmethod
    def requested_scopes(self, asked: dict[str, str]) -> list[str]:
        """Return the scopes that a consent request asks for."""

    @abstractmethod
    def callback_parameters(self, asked: dict[str, str], login: str, scopes: tuple[str, ...]) -> dict[str, str]:
        """Return the parameters of the callback when the guest allows."""

    def _show_consent(self, request: Request) -> Reply:
        if problem := self.find_problem(request):
            return show_refusal(self.style, problem)
        asked = request.query
        login = asked.get("login_hint") or "guest"
        return show_consent(self.style, asked["client_id"], login, self.requested_scopes(asked), request.query_string)

    def _submit_consent(self, request: Request) -> Reply:
        pressed = urllib.parse.parse_qs(request.content().decode(), keep_blank_values=True)
        asked = dict(urllib.parse.parse_qsl(pressed["asked"][0], keep_blank_values=True))
        state: dict[str, str] = {"state": asked["state"]} if "state" in asked else {}
        if pressed.get("answer") != ["allow"]:
            return send_to(asked["redirect_uri"], self.denied | state)
        login = pressed["login"][0]
        scopes = tuple(each for each in self.requested_scopes(asked) if each in pressed.get("scope", []))
        reply = send_to(asked["redirect_uri"], state | self.callback_parameters(asked, login, scopes))
        if self.pages:
            # Browsers give a cookie to every port of its host.
            cookie = f"{self.name}={urllib.parse.quote(login, safe='')}; Path={self.pages}; SameSite=Lax"
            reply.headers["Set-Cookie"] = cookie
        return reply

    def signed_in(self, request: Request) -> str:
        """Return the login that last allowed something in this browser; empty if none did."""
        cookie = http.cookies.SimpleCookie(request.headers.get("Cookie") or "").get(self.name)
        return urllib.parse.unquote(cookie.value) if cookie else ""
