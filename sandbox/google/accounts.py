"""The pretend accounts.google.com and oauth2.googleapis.com.

https://developers.google.com/identity/protocols/oauth2/web-server
"""

import html
import re
import urllib.parse
from collections.abc import Sequence
from typing import Any

from sandbox.faults import Faults
from sandbox.google import browser
from sandbox.google.tokens import Tokens
from sandbox.message import Reply, Request, html_reply, json_reply
from sandbox.oauth import boxes, credentials, has_good_challenge, is_allowed_redirect, send_to
from sandbox.service import Route, Service
from sandbox.tokens import Grant, InvalidGrant

ISSUER = "https://accounts.google.com"
_PAGE = """
<p><b>{client}</b> wants to</p>
<form method="post" action="/o/oauth2/v2/consent">
<p>Account <input name="login" value="{login}"></p>
<ul>{scopes}</ul>
<input type="hidden" name="asked" value="{asked}">
<button name="answer" value="allow">Allow</button> <button name="answer" value="deny">Deny</button>
</form>
"""


class Accounts(Service):
    """Google's accounts. Thread-safe.

    Attributes:
        tokens: Every code and token.
        clients: The registered OAuth clients and their secrets.
        iss: What callbacks name as the issuer; None leaves it out.
        refresh_token_expires_in: Seconds, told with every refresh token; None for an app that is published.
        need_pkce: Refuse consent without an S256 challenge.
    """

    name = "accounts"

    def __init__(self, faults: Faults, violations: list[str]):
        super().__init__(faults, violations)
        self.tokens = Tokens()
        self.clients = {"sandbox.apps.googleusercontent.com": "GOCSPX-sandbox-secret"}
        self.iss: str | None = ISSUER
        self.refresh_token_expires_in: int | None = None
        self.need_pkce = True
        self.routes = (
            Route("GET", re.compile(r"/o/oauth2/v2/auth"), "consent", self._ask),
            Route("POST", re.compile(r"/o/oauth2/v2/consent"), "consent", self._decide),
            Route("POST", re.compile(r"/token"), "token", self._give_token),
            Route("POST", re.compile(r"/revoke"), "revoke", self._revoke),
        )

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

    def expire_tokens(self, login: str | None = None) -> None:
        """End every access token at once, as if its hour was over."""
        self.tokens.expire(login)

    def revoke(self, login: str) -> None:
        """Do what a guest does who removes the app from his account: every token of his ends."""
        self.tokens.revoke(login)

    def refuse(self, status: int, reason: str = "", message: str = "") -> Reply:
        """Return an OAuth error."""
        return json_reply({"error": reason, "error_description": message or "Bad Request"}, status)

    def _ask(self, request: Request) -> Reply:
        asked = request.query
        problem = self._find_problem(request)
        if problem:
            return html_reply("Access blocked: authorization error", f"<p>Error {html.escape(problem)}</p>", 400)
        page = _PAGE.format(
            client=html.escape(asked["client_id"]),
            login=html.escape(asked.get("login_hint") or "guest"),
            scopes=boxes(asked["scope"].split()),
            asked=html.escape(request.query_string),
        )
        return html_reply("Sign in with Google", page)

    def _find_problem(self, request: Request) -> str:
        asked = request.query
        names = [name for name, _ in urllib.parse.parse_qsl(request.query_string, keep_blank_values=True)]
        checks = {
            "400: invalid_request (a parameter twice)": len(names) == len(set(names)),
            "401: invalid_client": asked.get("client_id") in self.clients,
            "400: invalid_request (response_type)": asked.get("response_type") == "code",
            "400: redirect_uri_mismatch": is_allowed_redirect(asked.get("redirect_uri", "")),
            "400: invalid_scope": bool(asked.get("scope", "").split()),
            "400: invalid_request (access_type)": asked.get("access_type", "online") in ("online", "offline"),
            "400: invalid_request (PKCE)": has_good_challenge(asked, needed=self.need_pkce),
        }
        return next((text for text, good in checks.items() if not good), "")

    def _decide(self, request: Request) -> Reply:
        pressed = urllib.parse.parse_qs(request.content().decode(), keep_blank_values=True)
        asked = dict(urllib.parse.parse_qsl(pressed["asked"][0], keep_blank_values=True))
        answer: dict[str, str] = {"state": asked["state"]} if "state" in asked else {}
        if pressed.get("answer") != ["allow"]:
            return send_to(asked["redirect_uri"], {"error": "access_denied", **answer})
        scopes = tuple(each for each in asked["scope"].split() if each in pressed.get("scope", []))
        prompt = asked.get("prompt", "").split()
        grant = Grant(
            client=asked["client_id"],
            login=pressed["login"][0],
            scopes=scopes,
            offline=asked.get("access_type") == "offline",
            redirect_uri=asked["redirect_uri"],
            challenge=asked.get("code_challenge", ""),
        )
        if self.iss is not None:
            answer["iss"] = self.iss
        answer |= {"code": self.tokens.issue_code(grant, prompted="consent" in prompt), "scope": " ".join(scopes)}
        return send_to(asked["redirect_uri"], {**answer, "authuser": "0", "prompt": "consent"})

    def _give_token(self, request: Request) -> Reply:
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
        token, lasting = self.tokens.redeem(
            form.get("code", ""), client, form.get("redirect_uri", ""), form.get("code_verifier")
        )
        answer = self._told(token.text, token.scopes)
        if lasting:
            answer["refresh_token"] = lasting
            if self.refresh_token_expires_in is not None:
                answer["refresh_token_expires_in"] = self.refresh_token_expires_in
        return json_reply(answer)

    def _refresh(self, form: dict[str, str], client: str) -> Reply:
        token = self.tokens.refresh(form.get("refresh_token", ""), client)
        if not set(form.get("scope", "").split()) <= set(token.scopes):
            return self.refuse(400, "invalid_scope", "Some requested scopes were not granted.")
        return json_reply(self._told(token.text, token.scopes))

    def _told(self, text: str, scopes: tuple[str, ...]) -> dict[str, Any]:
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
