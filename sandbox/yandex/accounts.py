"""The pretend oauth.yandex.ru.

https://yandex.ru/dev/id/doc/en/codes/code-url
"""

import html
import re
import urllib.parse
from collections.abc import Sequence
from typing import Any

from sandbox.faults import Faults
from sandbox.google import browser
from sandbox.message import Reply, Request, html_reply, json_reply
from sandbox.oauth import boxes, credentials, has_good_challenge, is_allowed_redirect, send_to
from sandbox.service import Route, Service
from sandbox.tokens import InvalidGrant
from sandbox.yandex.tokens import Grant, Spent, Tokens

RIGHTS = ("cloud_api:disk.read", "cloud_api:disk.write", "cloud_api:disk.info")
_PAGE = """
<p><b>{client}</b> requests access to your data on Yandex</p>
<form method="post" action="/consent">
<p>Account <input name="login" value="{login}"></p>
<ul>{scopes}</ul>
<input type="hidden" name="asked" value="{asked}">
<button name="answer" value="allow">Allow</button> <button name="answer" value="deny">Deny</button>
</form>
"""


class Accounts(Service):
    """Yandex's accounts. Thread-safe.

    Attributes:
        tokens: Every code and token.
        clients: The registered clients and their secrets.
        rights: What the clients were registered for: all that can be asked for, and what is asked for by default.
        need_pkce: Refuse consent without an S256 challenge.
    """

    name = "yandex_accounts"
    throttles_with = (429, "too_many_requests")

    def __init__(self, faults: Faults, violations: list[str]):
        super().__init__(faults, violations)
        self.tokens = Tokens()
        self.clients = {"5a2d9b0c4e6f47a8b1c3d5e7f9a0b2c4": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}
        self.rights = RIGHTS
        self.need_pkce = True
        self.routes = (
            Route("GET", re.compile(r"/authorize"), "yandex_consent", self._ask),
            Route("POST", re.compile(r"/consent"), "yandex_consent", self._decide),
            Route("POST", re.compile(r"/token"), "yandex_token", self._give_token),
            Route("POST", re.compile(r"/revoke_token"), "yandex_revoke", self._revoke),
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
            scopes: The rights left ticked; None leaves all.

        Returns:
            Where the page sends the browser next; it is not followed.

        Raises:
            browser.PageError: There was an error page instead.
        """
        return browser.consent(consent_url, allow=allow, login=login, scopes=scopes)

    def expire_tokens(self, login: str | None = None) -> None:
        """End every access token at once, as if its year was over."""
        self.tokens.expire(login)

    def revoke(self, login: str) -> None:
        """Do what a guest does who takes the access back, or changes the password: every token ends."""
        self.tokens.revoke(login)

    def refuse(self, status: int, reason: str = "", message: str = "") -> Reply:
        """Return an OAuth error."""
        return json_reply({"error": reason, "error_description": message or reason}, status)

    def _ask(self, request: Request) -> Reply:
        asked = request.query
        problem = self._find_problem(request)
        if problem:
            return html_reply("Authorization error", f"<p>{html.escape(problem)}</p>", 400)
        page = _PAGE.format(
            client=html.escape(asked["client_id"]),
            login=html.escape(asked.get("login_hint") or "guest"),
            scopes=boxes(self._wanted(asked)),
            asked=html.escape(request.query_string),
        )
        return html_reply("Yandex ID", page)

    def _wanted(self, asked: dict[str, str]) -> list[str]:
        return (asked.get("scope", "").split() or list(self.rights)) + asked.get("optional_scope", "").split()

    def _find_problem(self, request: Request) -> str:
        asked = request.query
        names = [name for name, _ in urllib.parse.parse_qsl(request.query_string, keep_blank_values=True)]
        device = asked.get("device_id")
        checks = {
            "invalid_request: a parameter twice": len(names) == len(set(names)),
            "unauthorized_client: unknown client_id": asked.get("client_id") in self.clients,
            "invalid_request: response_type": asked.get("response_type") == "code",
            "invalid_request: redirect_uri": is_allowed_redirect(asked.get("redirect_uri", "")),
            "invalid_scope": set(self._wanted(asked)) <= set(self.rights),
            "invalid_request: device_id of 6 to 50 characters": device is None
            or bool(re.fullmatch(r"[ -~]{6,50}", device)),
            "invalid_request: device_name of 100 characters at most": len(asked.get("device_name", "")) <= 100,
            "invalid_request: code_challenge": has_good_challenge(asked, needed=self.need_pkce),
        }
        return next((text for text, good in checks.items() if not good), "")

    def _decide(self, request: Request) -> Reply:
        pressed = urllib.parse.parse_qs(request.content().decode(), keep_blank_values=True)
        asked = dict(urllib.parse.parse_qsl(pressed["asked"][0], keep_blank_values=True))
        answer: dict[str, str] = {"state": asked["state"]} if "state" in asked else {}
        if pressed.get("answer") != ["allow"]:
            denied = {"error": "access_denied", "error_description": "User denied access"}
            return send_to(asked["redirect_uri"], denied | answer)
        wanted = self._wanted(asked)
        grant = Grant(
            client=asked["client_id"],
            login=pressed["login"][0],
            scopes=tuple(each for each in wanted if each in pressed.get("scope", [])),
            offline=True,
            redirect_uri=asked["redirect_uri"],
            challenge=asked.get("code_challenge", ""),
            asked=tuple(wanted),
            device=asked.get("device_id", ""),
        )
        return send_to(asked["redirect_uri"], {**answer, "code": self.tokens.issue_code(grant)})

    def _give_token(self, request: Request) -> Reply:
        form = request.form()
        if problem := self._check_client(request, form):
            return problem
        client = credentials(request, form)[0]
        try:
            if form.get("grant_type") == "authorization_code":
                return self._exchange(form, client)
            if form.get("grant_type") == "refresh_token":
                return _told(*self.tokens.refresh(form.get("refresh_token", ""), client))
        except Spent as problem:
            self.violate(request, "a refresh token used twice")
            return self.refuse(400, "invalid_grant", str(problem))
        except InvalidGrant as problem:
            return self.refuse(400, "invalid_grant", str(problem))
        return self.refuse(400, "unsupported_grant_type", "grant_type not supported")

    def _exchange(self, form: dict[str, str], client: str) -> Reply:
        code = form.get("code", "")
        # Codes for redirects have 16 characters, those a guest types in have 7 digits.
        if not re.fullmatch(r"[0-9a-z]{16}|[0-9]{7}", code):
            return self.refuse(400, "bad_verification_code", "Invalid code")
        return _told(*self.tokens.redeem(code, client, form.get("code_verifier")))

    def _check_client(self, request: Request, form: dict[str, str]) -> Reply | None:
        client, secret = credentials(request, form)
        if client not in self.clients:
            return self.refuse(400, "invalid_client", "Client not found")
        if self.clients[client] != secret:
            return self.refuse(400, "invalid_client", "Wrong client secret")
        return None

    def _revoke(self, request: Request) -> Reply:
        form = request.form()
        if problem := self._check_client(request, form):
            return problem
        text = form.get("access_token", "")
        device = self.tokens.device(text)
        owner = self.tokens.owner(text)
        if device is None or not owner:
            return self.refuse(400, "invalid_grant", "Token not found or expired")
        # https://yandex.ru/dev/id/doc/ru/tokens/token-invalidate
        if not device:
            return self.refuse(400, "unsupported_token_type", "Token is not bound to a device")
        self.tokens.revoke_device(text)
        return json_reply({"status": "ok"})


def _told(token: Any, lasting: str, grant: Grant) -> Reply:
    told = {
        "token_type": "bearer",
        "access_token": token.text,
        "expires_in": int(max(token.seconds_left(), 1)),
        "refresh_token": lasting,
    }
    # "Returned if OAuth issued a token with fewer rights than requested."
    if set(grant.scopes) != set(grant.asked):
        told["scope"] = " ".join(grant.scopes)
    return json_reply(told)
