"""Codes, access tokens and refresh tokens, as far as both clouds' are alike."""

import base64
import hashlib
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Generic, TypeVar

# Ten minutes at Yandex: https://yandex.ru/dev/id/doc/en/codes/code-url; Google publishes nothing.
_CODE_SECONDS = 600


class InvalidGrant(Exception):
    """A code or a refresh token is not valid; the message is the vendor's description."""


@dataclass
class Grant:
    """What a guest allowed a client."""

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
    forced: bool = False  # expired before its time: its bearer could not know
    revoked: bool = False
    made_at: float = field(default_factory=time.monotonic)

    def seconds_left(self) -> float:
        """Return the seconds until its regular expiry."""
        return self.expires - time.monotonic()

    def is_live(self) -> bool:
        """Tell whether it is still valid."""
        return not (self.forced or self.revoked) and time.monotonic() < self.expires


G = TypeVar("G", bound=Grant)


class Tokens(Generic[G]):
    """All codes and tokens of one vendor. Thread-safe.

    Attributes:
        ttl: Lifetime of access tokens, in seconds.
        exchanges: Number of code exchanges.
        refreshes: Number of refresh requests.
    """

    ttl: float = 3599
    access_prefix = ""
    refresh_prefix = ""

    def __init__(self) -> None:
        self.exchanges = 0
        self.refreshes = 0
        self._guard = threading.Lock()
        self._codes: dict[str, G] = {}
        self._access: dict[str, Token] = {}
        self._refresh: dict[str, G] = {}

    def find(self, text: str) -> Token | None:
        """Return an access token, valid or not; None if it was never issued."""
        with self._guard:
            return self._access.get(text)

    def expire(self, login: str | None = None, older_than: float = 0.0) -> None:
        """Expire the access tokens of one guest or of all that are at least so many seconds old."""
        with self._guard:
            for token in self._access.values():
                is_meant = login in (None, token.login) and time.monotonic() - token.made_at >= older_than
                token.forced = token.forced or is_meant

    def revoke(self, login: str, client: str | None = None) -> None:
        """Revoke all tokens of a guest, for one client or for all."""
        with self._guard:
            for token in self._access.values():
                token.revoked = token.revoked or is_of(token, login, client)
            self._refresh = {text: each for text, each in self._refresh.items() if not is_of(each, login, client)}

    def owner(self, text: str) -> tuple[str, str] | None:
        """Return the guest and the client an access or refresh token belongs to."""
        with self._guard:
            token = self._access.get(text)
            found = token if token and not token.revoked else self._refresh.get(text)
            return (found.login, found.client) if found else None

    def _issue(self, client: str, login: str, scopes: tuple[str, ...]) -> Token:
        text = self.access_prefix + secrets.token_urlsafe(48)
        token = self._access[text] = Token(text, client, login, scopes, time.monotonic() + self.ttl)
        return token

    def _issue_refresh_token(self, grant: G) -> str:
        text = self.refresh_prefix + secrets.token_urlsafe(48)
        self._refresh[text] = grant
        return text


def is_of(each: Grant | Token, login: str, client: str | None) -> bool:
    """Tell whether a grant or a token is a guest's, for one client or for any."""
    return each.login == login and client in (None, each.client)


def check_verifier(challenge: str, verifier: str | None) -> None:
    """Compare a PKCE verifier with the challenge of its code (RFC 7636, section 4.6).

    Raises:
        InvalidGrant: It is missing, wrong, or was not asked for.
    """
    if challenge and not verifier:
        raise InvalidGrant("Missing code verifier.")
    if verifier and not challenge:
        raise InvalidGrant("code_verifier or verifier is not needed.")
    if verifier:
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if not 43 <= len(verifier) <= 128 or not secrets.compare_digest(digest, challenge):
            raise InvalidGrant("Invalid code verifier.")
