"""Permission for a guest's Drive: consent, exchange, refresh, revoke.

https://developers.google.com/identity/protocols/oauth2/web-server
"""

import time
from collections.abc import Mapping
from datetime import UTC
from typing import Any
from urllib.parse import urlencode

import google.auth.exceptions
import requests
from google.auth.transport.requests import Request
from google.oauth2.credentials import Credentials
from google_auth_oauthlib.flow import Flow
from oauthlib.oauth2.rfc6749.errors import OAuth2Error

from common.clouds.grant import Grant
from common.clouds.oauth2 import (
    USUAL_LIFETIME,
    check_code_answer,
    consent_url,
    read_code,
    read_lifetime,
    read_token_answer,
)
from common.config.env import CloudSettings
from common.crypto.sealing import Secret
from common.errors import GrantRevoked, JobStopped, Reason, Refused, Transient
from common.http.client import Answer, HttpClient
from common.http.requests_adapter import mount_client

# Files that this app makes, nothing else of the guest's; it needs no audit by Google, and as the only scope it is
# never a box to be left unticked.
SCOPE = "https://www.googleapis.com/auth/drive.file"
ISSUER = "https://accounts.google.com"
# A guest looks at a white page meanwhile.
EXCHANGE_SECONDS = 15.0
REFRESH_SECONDS = 30.0

# Answers to a refresh that end the permission. `invalid_rapt` (the company's session length is over) is one of
# `invalid_grant`'s subtypes, and the only one that google-auth turns into a mere sentence.
_REVOKED = frozenset({"invalid_grant", "admin_policy_enforced", "invalid_rapt", "rapt_required"})
_REAUTHENTICATE = "Reauthentication is needed"


class GoogleAuth:
    """Asks for, renews and gives back a guest's permission at Google. Thread-safe: each call has its own session.

    Args:
        settings: the `GOOGLE_…` variables.
        http: gives its authorities and timeouts to Google's libraries, and sends what they do not.
    """

    def __init__(self, settings: CloudSettings, http: HttpClient) -> None:
        self._settings = settings
        self._http = http
        asked_of_all = {
            "response_type": "code",
            "client_id": self._reveal("GOOGLE_CLIENT_ID"),
            "scope": SCOPE,
            "code_challenge_method": "S256",
            "access_type": "offline",
            # Even of a guest who agreed before: only then does a refresh token come each time.
            "prompt": "consent",
        }
        self._consent_page = f"{self._reveal('GOOGLE_AUTH_URI')}?{urlencode(asked_of_all)}"

    def consent_url(self, redirect_uri: str, state: str, verifier: str) -> str:
        """Return the address of Google's consent page; arguments as in `CloudAuth`."""
        return consent_url(self._consent_page, redirect_uri, state, verifier)

    def exchange(self, answer: Mapping[str, str], redirect_uri: str, verifier: str) -> Grant:
        """Return the lasting grant for a guest's answer; arguments and errors as in `CloudAuth`."""
        code = read_code(answer, ISSUER)
        token = self._fetch(redirect_uri, verifier, code)
        if SCOPE not in (token.get("scope") or ()):
            raise JobStopped(Reason.SCOPE_MISSING, "the guest did not tick Drive")
        refresh_token = token.get("refresh_token")
        if not refresh_token or not isinstance(refresh_token, str):
            raise JobStopped(Reason.NO_REFRESH_TOKEN)
        expires_at = time.time() + read_lifetime(token.get("expires_in"))
        return Grant(Secret(refresh_token), Secret(token["access_token"]), expires_at)

    def refresh(self, grant: Grant) -> Grant:
        """Return the grant with a fresh access token; errors as in `CloudAuth`."""
        credentials: Any = Credentials(  # type: ignore[no-untyped-call]
            token=None,
            refresh_token=grant.refresh_token.reveal(),
            token_uri=self._reveal("GOOGLE_TOKEN_URI"),
            client_id=self._reveal("GOOGLE_CLIENT_ID"),
            client_secret=self._reveal("GOOGLE_CLIENT_SECRET"),
        )
        asked_at = time.time()
        self._renew(credentials)
        if not isinstance(credentials.token, str):
            raise Transient(Reason.CLOUD_UNAVAILABLE, "an unreadable answer")
        # Google's library writes the end as a naive time in UTC.
        ends = credentials.expiry.replace(tzinfo=UTC).timestamp() if credentials.expiry else asked_at + USUAL_LIFETIME
        refresh_token = Secret(credentials.refresh_token) if credentials.refresh_token else grant.refresh_token
        return Grant(refresh_token, Secret(credentials.token), asked_at + read_lifetime(ends - asked_at))

    def revoke(self, grant: Grant) -> None:
        """Give the grant back, and with it every other one this guest gave this app; errors as in `CloudAuth`."""
        answer = self._http.request(
            "POST",
            self._reveal("GOOGLE_REVOKE_URI"),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode({"token": grant.refresh_token.reveal()}).encode(),
        )
        # 400 says that it is void already.
        if answer.status not in (200, 400):
            raise Transient(
                Reason.CLOUD_UNAVAILABLE, f"revoking was answered {answer.status}", wait=answer.retry_after()
            )

    def _flow(self, redirect_uri: str, verifier: str) -> Any:
        registration = {
            "client_id": self._reveal("GOOGLE_CLIENT_ID"),
            "client_secret": self._reveal("GOOGLE_CLIENT_SECRET"),
            "auth_uri": self._reveal("GOOGLE_AUTH_URI"),
            "token_uri": self._reveal("GOOGLE_TOKEN_URI"),
        }
        # No scopes are named: oauthlib raises a Warning when others come than it knows of. We look ourselves.
        return Flow.from_client_config(  # type: ignore[no-untyped-call]
            {"web": registration}, None, redirect_uri=redirect_uri, code_verifier=verifier
        )

    def _fetch(self, redirect_uri: str, verifier: str, code: str) -> dict[str, Any]:
        flow = self._flow(redirect_uri, verifier)
        with flow.oauth2session as session:
            mount_client(session, self._http)
            session.register_compliance_hook("access_token_response", _check)
            try:
                return dict(flow.fetch_token(code=code, timeout=EXCHANGE_SECONDS))
            except requests.RequestException as error:
                raise Transient(Reason.TRY_LATER, f"no answer ({type(error).__name__})") from None
            except (OAuth2Error, ValueError, TypeError, AttributeError, OverflowError) as error:
                # Past our check these are fields that are no OAuth; oauthlib stumbles over them, and may quote them.
                raise Transient(Reason.TRY_LATER, f"an unreadable answer ({type(error).__name__})") from None

    def _renew(self, credentials: Any) -> None:
        with requests.Session() as session:
            mount_client(session, self._http)
            try:
                credentials.refresh(_Sender(session))
            except google.auth.exceptions.RefreshError as error:
                raise _read_refusal(error) from None
            except google.auth.exceptions.TransportError as error:
                raise Transient(Reason.CLOUD_UNAVAILABLE, f"no answer ({type(error).__name__})") from None
            except (ValueError, TypeError, OverflowError) as error:
                # Past our check these are fields that are no OAuth; google-auth stumbles over them.
                raise Transient(Reason.CLOUD_UNAVAILABLE, f"an unreadable answer ({type(error).__name__})") from None

    def _reveal(self, name: str) -> str:
        return self._settings[name].reveal()


class _Sender(Request):
    """Sends for google-auth, which would itself try an endpoint that is not well three times, sleeping in between."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        options["timeout"] = REFRESH_SECONDS
        response = super().__call__(*args, **options)  # type: ignore[no-untyped-call]
        read_token_answer(_read(response.status, response.headers, response.data), Reason.CLOUD_UNAVAILABLE)
        return response


def _check(response: requests.Response) -> requests.Response:
    check_code_answer(_read(response.status_code, response.headers, response.content))
    return response


def _read(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    return Answer(status, {name.lower(): value for name, value in headers.items()}, body)


def _read_refusal(error: google.auth.exceptions.RefreshError) -> GrantRevoked | Transient:
    told = error.args[1] if len(error.args) > 1 else {}
    code = str(told.get("error", ""))[:40]
    if code in _REVOKED or str(error.args[0]).startswith(_REAUTHENTICATE):
        return GrantRevoked("Google refuses the refresh token")
    if error.retryable or not code:
        return Transient(Reason.CLOUD_UNAVAILABLE, f"the token endpoint gave no token ({code})")
    # Everything else is about our registration or our request: the guest's permission is as good as before, and its
    # owner can mend it.
    return Refused(Reason.APP_REFUSED, f"the token endpoint refused this service ({code})")
