"""Permission for a guest's Yandex Disk: consent, exchange, refresh, revoke.

Four plain forms over our own client, and no OAuth library: the answers are read by the same checks as every cloud's
(`common.clouds.oauth2`), and oauthlib would only add its own way to stumble over a scope and to quote a secret.

https://yandex.ru/dev/id/doc/en/codes/code-url
"""

import hashlib
import time
from collections.abc import Mapping
from urllib.parse import urlencode

from common.clouds.base import StateTooLong
from common.clouds.grant import Grant
from common.clouds.oauth2 import check_code_answer, consent_url, read_code, read_lifetime, read_token_answer
from common.config.env import CloudSettings
from common.crypto.sealing import Secret
from common.errors import ArchiveError, GrantRevoked, JobStopped, Reason, Refused, Transient
from common.http.client import Answer, HttpClient

# The disk and nothing else of the guest's account: to write, to see what is written, to know how much room there is.
SCOPES = ("cloud_api:disk.write", "cloud_api:disk.read", "cloud_api:disk.info")
# What a guest reads in the list of their devices: https://id.yandex.ru/security
DEVICE_NAME = "cloud_archive"
# Characters, "the maximum string length": https://yandex.com/dev/id/doc/en/codes/code-url
LONGEST_STATE = 1024
# A guest looks at a white page meanwhile.
EXCHANGE_SECONDS = 15.0
REFRESH_SECONDS = 30.0


class YandexAuth:
    """Asks for, renews and gives back a guest's permission at Yandex. Thread-safe: it keeps nothing.

    Args:
        settings: the `YANDEX_…` variables.
        http: sends the requests.
    """

    def __init__(self, settings: CloudSettings, http: HttpClient) -> None:
        self._settings = settings
        self._http = http
        asked_of_all = {
            "response_type": "code",
            "client_id": self._reveal("YANDEX_CLIENT_ID"),
            "scope": " ".join(SCOPES),
            "code_challenge_method": "S256",
            "device_name": DEVICE_NAME,
        }
        self._consent_page = f"{self._reveal('YANDEX_OAUTH_URL')}/authorize?{urlencode(asked_of_all)}"

    def consent_url(self, redirect_uri: str, state: str, verifier: str) -> str:
        """Return the address of Yandex's consent page; arguments as in `CloudAuth`.

        Every archive is a "device" of its own. Tokens without one are the same for all archives of a guest: the refresh
        of one would take the refresh token of the others away, and they could never be revoked.
        https://yandex.ru/dev/id/doc/en/tokens/token-invalidate
        """
        if len(state) > LONGEST_STATE:
            raise StateTooLong
        return f"{consent_url(self._consent_page, redirect_uri, state, verifier)}&device_id={_device_id(verifier)}"

    def exchange(self, answer: Mapping[str, str], redirect_uri: str, verifier: str) -> Grant:  # noqa: ARG002 - never asked for
        """Return the lasting grant for a guest's answer; arguments and errors as in `CloudAuth`.

        Yandex does not ask for the redirect URI again: it sends codes to a registered one only.
        """
        form = {"grant_type": "authorization_code", "code": read_code(answer, None), "code_verifier": verifier}
        asked_at = time.time()
        told = self._post("/token", form, EXCHANGE_SECONDS, Reason.TRY_LATER)
        check_code_answer(told)
        tokens = read_token_answer(told, Reason.TRY_LATER)
        # Only said when the guest granted something else than was asked for.
        if "scope" in tokens and not set(SCOPES) <= set(str(tokens["scope"]).split()):
            raise JobStopped(Reason.SCOPE_MISSING, "the guest did not grant the whole of the disk")
        if not isinstance(tokens.get("refresh_token"), str) or not tokens["refresh_token"]:
            raise JobStopped(Reason.NO_REFRESH_TOKEN)
        ends = asked_at + read_lifetime(tokens.get("expires_in"))
        return Grant(Secret(tokens["refresh_token"]), Secret(tokens["access_token"]), ends)

    def refresh(self, grant: Grant) -> Grant:
        """Return the grant with fresh tokens, both of them: the refresh token that was used is worth nothing any more.

        Errors as in `CloudAuth`. Source: https://yandex.ru/dev/id/doc/en/tokens/refresh-client
        """
        form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token.reveal()}
        asked_at = time.time()
        told = self._post("/token", form, REFRESH_SECONDS, Reason.CLOUD_UNAVAILABLE)
        tokens = read_token_answer(told, Reason.CLOUD_UNAVAILABLE)
        if told.status != 200 or "access_token" not in tokens:
            raise _read_refusal(str(tokens.get("error", ""))[:40])
        renewed = tokens.get("refresh_token")
        refresh_token = Secret(renewed) if isinstance(renewed, str) and renewed else grant.refresh_token
        ends = asked_at + read_lifetime(tokens.get("expires_in"))
        return Grant(refresh_token, Secret(tokens["access_token"]), ends)

    def revoke(self, grant: Grant) -> None:
        """Give the grant back, this archive's alone; errors as in `CloudAuth`."""
        form = {"access_token": grant.access_token.reveal()}
        answer = self._post("/revoke_token", form, REFRESH_SECONDS, Reason.CLOUD_UNAVAILABLE)
        # 400 says that it is void already.
        if answer.status not in (200, 400):
            raise Transient(
                Reason.CLOUD_UNAVAILABLE, f"revoking was answered {answer.status}", wait=answer.retry_after()
            )

    def _post(self, path: str, form: Mapping[str, str], seconds: float, reason: Reason) -> Answer:
        client = {
            "client_id": self._reveal("YANDEX_CLIENT_ID"),
            "client_secret": self._reveal("YANDEX_CLIENT_SECRET"),
        }
        try:
            return self._http.request(
                "POST",
                self._reveal("YANDEX_OAUTH_URL") + path,
                headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
                body=urlencode({**form, **client}).encode(),
                read_seconds=seconds,
            )
        except Transient as error:
            raise Transient(reason, error.detail) from None

    def _reveal(self, name: str) -> str:
        return self._settings[name].reveal()


def _device_id(verifier: str) -> str:
    """Return a name of 6 to 50 characters that only this archive has, and that says nothing about its verifier."""
    return hashlib.sha256(f"device {verifier}".encode()).hexdigest()[:32]


def _read_refusal(error: str) -> ArchiveError:
    """Return what it means that no token was given.

    Only one word says that the guest's permission is void. Every other is about who asks, or how: `invalid_client`,
    `unauthorized_client` (blocked or in moderation), `disabled_client`, `invalid_request`, whatever comes next; our
    operator will mend it, and the permission is as good as before. https://www.rfc-editor.org/rfc/rfc6749#section-5.2
    """
    if error == "invalid_grant":
        return GrantRevoked("Yandex refuses the refresh token")
    if not error:
        return Transient(Reason.CLOUD_UNAVAILABLE, "the token endpoint gave no token")
    return Refused(Reason.APP_REFUSED, f"the token endpoint refused ({error})")
