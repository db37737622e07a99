"""Google's codes and tokens: refresh tokens do not rotate, and a guest has at most a hundred per client."""

import secrets
import time

from sandbox.oauth import tokens
from sandbox.oauth.tokens import Grant, InvalidGrant, Token, check_verifier, is_of

# "100 Google Accounts per refresh token per OAuth client": the oldest is dropped silently.
# https://developers.google.com/identity/protocols/oauth2#expiration
_MOST_REFRESH_TOKENS = 100


class Tokens(tokens.Tokens[Grant]):
    """Every code and token there is. Thread-safe.

    Attributes:
        max_refresh_tokens: Of one guest for one client; with one more the oldest is dropped.
    """

    access_prefix = "ya29."
    refresh_prefix = "1//0"

    def __init__(self) -> None:
        super().__init__()
        self.max_refresh_tokens = _MOST_REFRESH_TOKENS
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
            check_verifier(grant.challenge, verifier)
            del self._codes[code]
            return self._issue(grant.client, grant.login, grant.scopes), self._issue_refresh_token(
                grant
            ) if grant.fresh else None

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

    def revoke(self, login: str, client: str | None = None) -> None:
        """End every token of a guest, for one client or for all."""
        super().revoke(login, client)
        with self._guard:
            self._consented = {pair for pair in self._consented if pair[1] != login or client not in (None, pair[0])}

    def grant(self, client: str, login: str, scopes: tuple[str, ...]) -> tuple[Token, str]:
        """Return tokens without any consent: what a client written elsewhere has in its configuration."""
        with self._guard:
            grant = Grant(client, login, scopes, offline=True, redirect_uri="")
            return self._issue(client, login, scopes), self._issue_refresh_token(grant)

    def _issue_refresh_token(self, grant: Grant) -> str:
        mine = [each for each, other in self._refresh.items() if is_of(other, grant.login, grant.client)]
        for oldest in mine[: max(len(mine) + 1 - self.max_refresh_tokens, 0)]:
            del self._refresh[oldest]
        return super()._issue_refresh_token(grant)
