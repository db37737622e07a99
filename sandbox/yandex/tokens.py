"""Yandex's codes and tokens: a refresh token can be used once and returns its successor.

https://yandex.ru/dev/id/doc/en/tokens/refresh-client
"""

import secrets
import time
from collections import Counter
from dataclasses import dataclass

from sandbox.oauth import tokens
from sandbox.oauth.tokens import InvalidGrant, Token, check_verifier, is_of


@dataclass
class Grant(tokens.Grant):
    """What one guest allowed one client.

    Attributes:
        asked: The scopes the client asked for.
        device: The device the tokens are for; only such tokens can be revoked by the client.
        access: The text of the access token that was given last.
    """

    asked: tuple[str, ...] = ()
    device: str = ""
    access: str = ""


class AlreadyUsed(InvalidGrant):
    """A refresh token was brought a second time."""


class Tokens(tokens.Tokens[Grant]):
    """Every code and token there is. Thread-safe.

    Attributes:
        grace: Seconds for which a refresh token that was used may be used again, in case the answer was lost; nobody
            promises any.
        max_devices: Of one guest that a client has tokens for; with one more the oldest stops working.
        spent_at: When a refresh token of each device was used, monotonic seconds.
        reused: How often a spent refresh token was presented again, by device.
        keeps_access: Refreshing gives the same access token as long as it lives, and the same refresh token never.
    """

    # "expires_in": a year, as the examples of the documentation have it.
    ttl: float = 31_536_000
    access_prefix = "y0_"
    refresh_prefix = "1:"

    def __init__(self) -> None:
        super().__init__()
        self.grace = 0.0
        self.keeps_access = False
        # "An app can have up to 20 tokens linked to a user's devices":
        # https://yandex.com/dev/oauth/doc/dg/concepts/device-token.html
        self.max_devices = 20
        self.spent_at: dict[str, list[float]] = {}
        self.reused: Counter[str] = Counter()
        self._spent: dict[str, float] = {}
        self._devices: dict[str, str] = {}

    def issue_code(self, grant: Grant) -> str:
        """Return a code for what a guest allowed."""
        with self._guard:
            code = secrets.token_hex(8)
            self._codes[code] = grant
            return code

    def redeem(self, code: str, client: str, verifier: str | None) -> tuple[Token, str, Grant]:
        """Exchange a code, once.

        Returns:
            The access token, the refresh token, and what was allowed.

        Raises:
            InvalidGrant: With Yandex's words.
        """
        with self._guard:
            self.exchanges += 1
            grant = self._codes.get(code)
            if not grant or grant.client != client:
                raise InvalidGrant("Invalid code")
            if time.monotonic() > grant.expires:
                raise InvalidGrant("Code has expired")
            check_verifier(grant.challenge, verifier)
            del self._codes[code]
            return self._give(grant)

    def refresh(self, text: str, client: str) -> tuple[Token, str, Grant]:
        """Spend a refresh token.

        Returns:
            As `redeem`.

        Raises:
            Spent: It was used before.
            InvalidGrant: It is unknown, revoked or another client's.
        """
        with self._guard:
            self.refreshes += 1
            grant = self._refresh.get(text)
            if not grant or grant.client != client:
                raise InvalidGrant("expired_token")
            moment = time.monotonic()
            if text in self._spent and moment - self._spent[text] >= self.grace:
                self.reused[grant.device] += 1
                raise AlreadyUsed("expired_token")
            self._spent.setdefault(text, moment)
            self.spent_at.setdefault(grant.device, []).append(moment)
            return self._give(grant)

    def grant(self, client: str, login: str, scopes: tuple[str, ...], device: str = "") -> tuple[Token, str]:
        """Return tokens without any consent: what a client written elsewhere has in its configuration."""
        with self._guard:
            grant = Grant(client, login, scopes, offline=True, redirect_uri="", asked=scopes, device=device)
            return self._give(grant)[:2]

    def device(self, text: str) -> str | None:
        """Return the device an access token is for, empty for none; None if there is no such token."""
        with self._guard:
            token = self._access.get(text)
            return self._devices[text] if token and token.is_live() else None

    def revoke_device(self, text: str) -> None:
        """End every token of the device that an access token is for."""
        with self._guard:
            token = self._access[text]
            self._end_device(token.login, token.client, self._devices[text])

    def _give(self, grant: Grant) -> tuple[Token, str, Grant]:
        token = self._access.get(grant.access)
        if not (self.keeps_access and token and token.is_live()):
            token = self._issue(grant.client, grant.login, grant.scopes)
            grant.access = token.text
            self._devices[token.text] = grant.device
        self._end_oldest_device(grant)
        return token, self._issue_refresh_token(grant), grant

    def _end_oldest_device(self, grant: Grant) -> None:
        mine = [each.device for each in self._refresh.values() if is_of(each, grant.login, grant.client)]
        others = [each for each in dict.fromkeys(mine) if each not in ("", grant.device)]
        if grant.device and len(others) >= self.max_devices:
            self._end_device(grant.login, grant.client, others[0])

    def _end_device(self, login: str, client: str, device: str) -> None:
        for text, token in self._access.items():
            token.revoked = token.revoked or (is_of(token, login, client) and self._devices[text] == device)
        self._refresh = {
            text: each
            for text, each in self._refresh.items()
            if not is_of(each, login, client) or each.device != device
        }
