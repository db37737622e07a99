"""Stand-in of oauth.yandex.ru: consent page, token and revocation endpoints.

https://yandex.ru/dev/id/doc/en/codes/code-url
"""

import re
from typing import Any, ClassVar

from sandbox.faults.plan import FaultPlan
from sandbox.http.message import Reply, Request, json_reply
from sandbox.http.service import Route
from sandbox.oauth import accounts
from sandbox.oauth.pages import PageStyle
from sandbox.oauth.requests import credentials, has_good_challenge, is_allowed_redirect, names_nothing_twice
from sandbox.oauth.tokens import InvalidGrant
from sandbox.yandex.tokens import AlreadyUsed, Grant, Tokens

RIGHTS = ("cloud_api:disk.read", "cloud_api:disk.write", "cloud_api:disk.info")
PAGE_STYLE = PageStyle(
    vendor="Yandex",
    title="Yandex ID",
    refusal="Authorization error",
    action="/consent",
    colour="#c8102e",
    words={
        "cloud_api:disk.read": "Read all of Yandex Disk",
        "cloud_api:disk.write": "Write to any place on Yandex Disk",
        "cloud_api:disk.info": "Access information about Yandex Disk",
    },
)


class Accounts(accounts.Accounts[Tokens]):
    """Yandex's OAuth server. Thread-safe.

    Attributes:
        clients: The registered clients and their secrets.
        rights: What the clients were registered for: all that can be asked for, and what is asked for by default.
    """

    name = "yandex_accounts"
    style = PAGE_STYLE
    denied: ClassVar = {"error": "access_denied", "error_description": "User denied access"}
    pages = "/client/disk"
    throttles_with = (429, "too_many_requests")

    def __init__(self, faults: FaultPlan, violations: list[str]):
        super().__init__(Tokens(), faults, violations)
        self.clients = {"5a2d9b0c4e6f47a8b1c3d5e7f9a0b2c4": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}
        self.rights = RIGHTS
        self.routes = (
            Route("GET", re.compile(r"/authorize"), "yandex_consent", self._show_consent),
            Route("POST", re.compile(r"/consent"), "yandex_consent", self._submit_consent),
            Route("POST", re.compile(r"/token"), "yandex_token", self._issue_token),
            Route("POST", re.compile(r"/revoke_token"), "yandex_revoke", self._revoke),
        )

    def refuse(self, status: int, reason: str = "", message: str = "") -> Reply:
        """Return an OAuth error."""
        return json_reply({"error": reason, "error_description": message or reason}, status)

    def requested_scopes(self, asked: dict[str, str]) -> list[str]:
        """Return the rights that are asked for; without any, those of the registration."""
        return (asked.get("scope", "").split() or list(self.rights)) + asked.get("optional_scope", "").split()

    def find_problem(self, request: Request) -> str:
        """Return what is wrong with a request for consent, as Yandex says it."""
        asked = request.query
        device = asked.get("device_id")
        checks = {
            "invalid_request: a parameter twice": names_nothing_twice(request),
            "unauthorized_client: unknown client_id": asked.get("client_id") in self.clients,
            "invalid_request: response_type": asked.get("response_type") == "code",
            "invalid_request: redirect_uri": is_allowed_redirect(asked.get("redirect_uri", "")),
            "invalid_scope": set(self.requested_scopes(asked)) <= set(self.rights),
            "invalid_request: device_id of 6 to 50 characters": device is None
            or bool(re.fullmatch(r"[ -~]{6,50}", device)),
            "invalid_request: device_name of 100 characters at most": len(asked.get("device_name", "")) <= 100,
            "invalid_request: state of 1024 characters at most": len(asked.get("state", "")) <= 1024,
            "invalid_request: code_challenge": has_good_challenge(asked, needed=self.need_pkce),
        }
        return next((text for text, good in checks.items() if not good), "")

    def callback_parameters(self, asked: dict[str, str], login: str, scopes: tuple[str, ...]) -> dict[str, str]:
        """Return what Yandex adds to the callback."""
        grant = Grant(
            client=asked["client_id"],
            login=login,
            scopes=scopes,
            offline=True,
            redirect_uri=asked["redirect_uri"],
            challenge=asked.get("code_challenge", ""),
            asked=tuple(self.requested_scopes(asked)),
            device=asked.get("device_id", ""),
        )
        return {"code": self.tokens.issue_code(grant)}

    def _issue_token(self, request: Request) -> Reply:
        form = request.form()
        if problem := self._check_client(request, form):
            return problem
        client = credentials(request, form)[0]
        try:
            if form.get("grant_type") == "authorization_code":
                return self._exchange(form, client)
            if form.get("grant_type") == "refresh_token":
                return _token_body(*self.tokens.refresh(form.get("refresh_token", ""), client))
        except AlreadyUsed as problem:
            self.record_violation(request, "a refresh token used twice")
            return self.refuse(400, "invalid_grant", str(problem))
        except InvalidGrant as problem:
            return self.refuse(400, "invalid_grant", str(problem))
        return self.refuse(400, "unsupported_grant_type", "grant_type not supported")

    def _exchange(self, form: dict[str, str], client: str) -> Reply:
        code = form.get("code", "")
        # Codes for redirects have 16 characters, those a guest types in have 7 digits.
        if not re.fullmatch(r"[0-9a-z]{16}|[0-9]{7}", code):
            return self.refuse(400, "bad_verification_code", "Invalid code")
        return _token_body(*self.tokens.redeem(code, client, form.get("code_verifier")))

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


def _token_body(token: Any, refresh_token: str, grant: Grant) -> Reply:
    told = {
        "token_type": "bearer",
        "access_token": token.text,
        "expires_in": int(max(token.seconds_left(), 1)),
        "refresh_token": refresh_token,
    }
    # "Returned if OAuth issued a token with fewer rights than requested."
    if set(grant.scopes) != set(grant.asked):
        told["scope"] = " ".join(grant.scopes)
    return json_reply(told)
