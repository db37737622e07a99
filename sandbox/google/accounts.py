"""Stand-in of accounts.google.com and oauth2.googleapis.com: consent page, token and revocation endpoints.

https://developers.google.com/identity/protocols/oauth2/web-server
"""

import re
from typing import Any, ClassVar

from sandbox.faults.plan import FaultPlan
from sandbox.google.tokens import Tokens
from sandbox.http.message import Reply, Request, json_reply
from sandbox.http.service import Route
from sandbox.oauth import accounts
from sandbox.oauth.pages import PageStyle
from sandbox.oauth.requests import credentials, has_good_challenge, is_allowed_redirect, names_nothing_twice
from sandbox.oauth.tokens import Grant, InvalidGrant

ISSUER = "https://accounts.google.com"
PAGE_STYLE = PageStyle(
    vendor="Google",
    title="Sign in with Google",
    refusal="Access blocked: authorization error",
    action="/o/oauth2/v2/consent",
    colour="#0b57d0",
    words={
        "https://www.googleapis.com/auth/drive.file": "See, edit, create, and delete only the specific Google Drive "
        "files you use with this app",
        "https://www.googleapis.com/auth/drive": "See, edit, create, and delete all of your Google Drive files",
    },
)


class Accounts(accounts.Accounts[Tokens]):
    """Google's OAuth server. Thread-safe.

    Attributes:
        clients: The registered OAuth clients and their secrets.
        iss: What callbacks name as the issuer; None leaves it out.
        refresh_token_expires_in: Seconds, told with every refresh token; None for an app that is published.
    """

    name = "accounts"
    style = PAGE_STYLE
    denied: ClassVar = {"error": "access_denied"}

    def __init__(self, faults: FaultPlan, violations: list[str]):
        super().__init__(Tokens(), faults, violations)
        self.clients = {"sandbox.apps.googleusercontent.com": "GOCSPX-sandbox-secret"}
        self.iss: str | None = ISSUER
        self.refresh_token_expires_in: int | None = None
        self.routes = (
            Route("GET", re.compile(r"/o/oauth2/v2/auth"), "consent", self._show_consent),
            Route("POST", re.compile(r"/o/oauth2/v2/consent"), "consent", self._submit_consent),
            Route("POST", re.compile(r"/token"), "token", self._issue_token),
            Route("POST", re.compile(r"/revoke"), "revoke", self._revoke),
        )

    def refuse(self, status: int, reason: str = "", message: str = "") -> Reply:
        """Return an OAuth error."""
        return json_reply({"error": reason, "error_description": message or "Bad Request"}, status)

    def find_problem(self, request: Request) -> str:
        """Return what is wrong with a request for consent, as Google says it."""
        asked = request.query
        checks = {
            "400: invalid_request (a parameter twice)": names_nothing_twice(request),
            "401: invalid_client": asked.get("client_id") in self.clients,
            "400: invalid_request (response_type)": asked.get("response_type") == "code",
            "400: redirect_uri_mismatch": is_allowed_redirect(asked.get("redirect_uri", "")),
            "400: invalid_scope": bool(asked.get("scope", "").split()),
            "400: invalid_request (access_type)": asked.get("access_type", "online") in ("online", "offline"),
            "400: invalid_request (PKCE)": has_good_challenge(asked, needed=self.need_pkce),
        }
        return next((text for text, good in checks.items() if not good), "")

    def requested_scopes(self, asked: dict[str, str]) -> list[str]:
        """Return the scopes that are asked for."""
        return asked["scope"].split()

    def callback_parameters(self, asked: dict[str, str], login: str, scopes: tuple[str, ...]) -> dict[str, str]:
        """Return what Google adds to the callback."""
        prompt = asked.get("prompt", "").split()
        grant = Grant(
            client=asked["client_id"],
            login=login,
            scopes=scopes,
            offline=asked.get("access_type") == "offline",
            redirect_uri=asked["redirect_uri"],
            challenge=asked.get("code_challenge", ""),
        )
        issuer = {} if self.iss is None else {"iss": self.iss}
        code = self.tokens.issue_code(grant, prompted="consent" in prompt)
        return {**issuer, "code": code, "scope": " ".join(scopes), "authuser": "0", "prompt": "consent"}

    def _issue_token(self, request: Request) -> Reply:
        form = request.form()
        client, secret = credentials(request, form)
        if client not in self.clients or self.clients[client] != secret:
            return self.refuse(401, "invalid_client", "The OAuth client was not found.")
        try:
            if form.get("grant_type") == "authorization_code":
                return self._exchange(form, client)
            if form.get("grant_type") == "refresh_token":
                return self._refresh(form, client)
        except InvalidGrant as problem:
            return self.refuse(400, "invalid_grant", str(problem))
        except LookupError:
            return self.refuse(400, "redirect_uri_mismatch")
        return self.refuse(400, "unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}")

    def _exchange(self, form: dict[str, str], client: str) -> Reply:
        token, refresh_token = self.tokens.redeem(
            form.get("code", ""), client, form.get("redirect_uri", ""), form.get("code_verifier")
        )
        answer = self._token_body(token.text, token.scopes)
        if refresh_token:
            answer["refresh_token"] = refresh_token
            if self.refresh_token_expires_in is not None:
                answer["refresh_token_expires_in"] = self.refresh_token_expires_in
        return json_reply(answer)

    def _refresh(self, form: dict[str, str], client: str) -> Reply:
        token = self.tokens.refresh(form.get("refresh_token", ""), client)
        if not set(form.get("scope", "").split()) <= set(token.scopes):
            return self.refuse(400, "invalid_scope", "Some requested scopes were not granted.")
        return json_reply(self._token_body(token.text, token.scopes))

    def _token_body(self, text: str, scopes: tuple[str, ...]) -> dict[str, Any]:
        return {
            "access_token": text,
            "expires_in": int(self.ttl),
            "scope": " ".join(scopes),
            "token_type": "Bearer",
        }

    def _revoke(self, request: Request) -> Reply:
        owner = self.tokens.owner(request.form().get("token") or request.query.get("token", ""))
        if not owner:
            return self.refuse(400, "invalid_token", "Token expired or revoked")
        self.tokens.revoke(*owner)
        return json_reply({})
