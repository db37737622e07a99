"""Who may do what: codes, access tokens, refresh tokens. Knows no HTTP."""

import base64
import hashlib
import secrets
import threading
import time
from dataclasses import dataclass, field

_CODE_SECONDS = 600
# "100 Google Accounts per refresh token per OAuth client": the oldest is dropped silently.
# https://developers.google.com/identity/protocols/oauth2#expiration
_MOST_REFRESH_TOKENS = 100


class InvalidGrant(Exception):
    """A code or a refresh token is no good; the text is Google's description."""


@dataclass
class Grant:
    """What one guest allowed one client."""

    client: str
    login: str
    scopes: tuple[str, ...]
    offline: bool
    redirect_uri: str
    challenge: str = ""
    fresh: bool = True
    expires: float = field(default_factory=lambda: time.monotonic() + _CODE_SECONDS)


@dataclass
class Token:
    """An access token."""

    text: str
    client: str
    login: str
    scopes: tuple[str, ...]
    expires: float
    forced: bool = False  # ended before its time: its bearer could not know
    revoked: bool = False

    def is_live(self) -> bool:
        """Tell whether it may still be used."""
        return not (self.forced or self.revoked) and time.monotonic() < self.expires


class Tokens:
    """Every code and token there is. Thread-safe.

    Attributes:
        ttl: Seconds an access token lives.
        exchanges: How often a code was brought.
        refreshes: How often a refresh token was brought.
    """

    def __init__(self) -> None:
        self.ttl: float = 3599
        self.exchanges = 0
        self.refreshes = 0
        self._guard = threading.Lock()
        self._codes: dict[str, Grant] = {}
        self._access: dict[str, Token] = {}
        self._refresh: dict[str, Grant] = {}
        self._consented: set[tuple[str, str]] = set()

    def issue_code(self, grant: Grant, *, prompted: bool) -> str:
        """Return a code for what a guest allowed.

        Args:
            grant: What was allowed; `fresh` is set when it will yield a refresh token.
            prompted: The client asked with prompt=consent.
        """
        with self._guard:
            pair = (grant.client, grant.login)
            grant.fresh = grant.offline and (prompted or pair not in self._consented)
            if grant.offline:
                self._consented.add(pair)
            # Google's codes have a slash in them, which must be decoded exactly once.
            code = "4/0A" + secrets.token_urlsafe(30) + "/" + secrets.token_urlsafe(6)
            self._codes[code] = grant
            return code

    def redeem(self, code: str, client: str, redirect_uri: str, verifier: str | None) -> tuple[Token, str | None]:
        """Exchange a code, once.

        Returns:
            The access token, and the refresh token if one is due.

        Raises:
            InvalidGrant: With Google's words.
            LookupError: The redirect URI is another one.
        """
        with self._guard:
            self.exchanges += 1
            grant = self._codes.get(code)
            if not grant or grant.client != client or time.monotonic() > grant.expires:
                raise InvalidGrant("Malformed auth code." if "/" not in code else "Bad Request")
            if grant.redirect_uri != redirect_uri:
                raise LookupError(redirect_uri)
            _check_verifier(grant.challenge, verifier)
            del self._codes[code]
            return self._issue(grant.client, grant.login, grant.scopes), self._lasting(grant) if grant.fresh else None

    def refresh(self, text: str, client: str) -> Token:
        """Return a new access token for a refresh token.

        Raises:
            InvalidGrant: It is unknown, revoked or another client's.
        """
        with self._guard:
            self.refreshes += 1
            grant = self._refresh.get(text)
            if not grant or grant.client != client:
                raise InvalidGrant("Token has been expired or revoked.")
            return self._issue(grant.client, grant.login, grant.scopes)

    def find(self, text: str) -> Token | None:
        """Return an access token, live or not; None if there never was one."""
        with self._guard:
            return self._access.get(text)

    def expire(self, login: str | None = None) -> None:
        """End the access tokens there are, of everybody or of one guest."""
        with self._guard:
            for token in self._access.values():
                token.forced = token.forced or login in (None, token.login)

    def revoke(self, login: str, client: str | None = None) -> None:
        """End every token of a guest, for one client or for all."""
        with self._guard:
            for token in self._access.values():
                token.revoked = token.revoked or _of(token, login, client)
            self._refresh = {text: each for text, each in self._refresh.items() if not _of(each, login, client)}
            self._consented = {pair for pair in self._consented if pair[1] != login or client not in (None, pair[0])}

    def owner(self, text: str) -> tuple[str, str] | None:
        """Return the guest and the client an access or refresh token belongs to."""
        with self._guard:
            token = self._access.get(text)
            found = token if token and not token.revoked else self._refresh.get(text)
            return (found.login, found.client) if found else None

    def grant(self, client: str, login: str, scopes: tuple[str, ...]) -> tuple[Token, str]:
        """Return tokens without any consent: what a client written elsewhere has in its configuration."""
        with self._guard:
            grant = Grant(client, login, scopes, offline=True, redirect_uri="")
            return self._issue(client, login, scopes), self._lasting(grant)

    def _issue(self, client: str, login: str, scopes: tuple[str, ...]) -> Token:
        token = Token("ya29." + secrets.token_urlsafe(48), client, login, scopes, time.monotonic() + self.ttl)
        self._access[token.text] = token
        return token

    def _lasting(self, grant: Grant) -> str:
        text = "1//0" + secrets.token_urlsafe(48)
        mine = [each for each, other in self._refresh.items() if _of(other, grant.login, grant.client)]
        for oldest in mine[: max(len(mine) + 1 - _MOST_REFRESH_TOKENS, 0)]:
            del self._refresh[oldest]
        self._refresh[text] = grant
        return text


def _of(each: Grant | Token, login: str, client: str | None) -> bool:
    return each.login == login and client in (None, each.client)


def _check_verifier(challenge: str, verifier: str | None) -> None:
    if challenge and not verifier:
        raise InvalidGrant("Missing code verifier.")
    if verifier and not challenge:
        raise InvalidGrant("code_verifier or verifier is not needed.")
    if verifier:
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if not 43 <= len(verifier) <= 128 or not secrets.compare_digest(digest, challenge):
            raise InvalidGrant("Invalid code verifier.")
