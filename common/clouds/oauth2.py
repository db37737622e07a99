"""OAuth 2.0's authorization code grant with PKCE, as far as it is the same for every cloud (RFC 6749, RFC 7636)."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus

from common.errors import JobStopped, Reason, Transient
from common.http.client import Answer

# Tokens whose lifetime is not told, or told as nonsense, are taken to live an hour, as everybody's do; one that ends
# earlier is refused once and renewed then.
USUAL_LIFETIME = 3600.0

# RFC 6749, sections 4.1.2.1 and 5.2, and Google's own: the guest, or who administers their account, said no.
# https://developers.google.com/identity/protocols/oauth2/web-server#authorization-errors
_DENIALS = frozenset({"access_denied", "admin_policy_enforced", "org_internal"})

# RFC 6749, section 5.2, and Google's own: what is wrong is this service's registration or request,
# whoever the guest is. https://developers.google.com/identity/protocols/oauth2/web-server#authorization-errors
_APP_REFUSALS = frozenset(
    {"invalid_client", "deleted_client", "disabled_client", "unauthorized_client", "redirect_uri_mismatch"}
    | {"invalid_request", "unsupported_grant_type"}
)

# What an endpoint that is not well may say with any status; Google's library would itself try such a one again, asleep.
_TEMPORARY = frozenset({"server_error", "temporarily_unavailable", "internal_failure"})


def make_verifier() -> str:
    """Return a fresh PKCE verifier: 256 random bits in 43 characters, as RFC 7636, section 4.1 recommends."""
    return secrets.token_urlsafe(32)


def make_challenge(verifier: str) -> str:
    """Return PKCE's S256 challenge: https://www.rfc-editor.org/rfc/rfc7636#section-4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def consent_url(page: str, redirect_uri: str, state: str, verifier: str) -> str:
    """Return where a guest is sent: RFC 6749, section 4.1.1, with PKCE's RFC 7636, section 4.3.

    Args:
        page: the consent page's address, with what every guest is asked for alike in its query.
        redirect_uri: where the cloud sends the guest back to.
        state: what comes back with the guest.
        verifier: PKCE's secret.
    """
    query = f"redirect_uri={_quote(redirect_uri)}&state={quote_plus(state)}"
    return f"{page}&{query}&code_challenge={make_challenge(verifier)}"


@lru_cache(maxsize=16)  # every guest of a cloud comes back to the same address
def _quote(text: str) -> str:
    return quote_plus(text)


def read_code(answer: Mapping[str, str], issuer: str | None) -> str:
    """Return the code that a guest brought back from the consent page.

    Args:
        answer: the callback's query.
        issuer: what the cloud calls itself there, if it does (RFC 9207); an answer that names another is refused.

    Raises:
        JobStopped: the guest said no, or the cloud could not ask.
    """
    if issuer and answer.get("iss", issuer) != issuer:
        raise JobStopped(Reason.DENIED, "the answer names another issuer")
    if error := answer.get("error"):
        # It comes through a browser: whoever likes could write there that this service is refused, and raise an alarm.
        raise JobStopped(Reason.DENIED if error in _DENIALS else Reason.TRY_LATER, "the cloud answered with an error")
    if not answer.get("code"):
        raise JobStopped(Reason.TRY_LATER, "the answer holds no code")
    return answer["code"]


def read_token_answer(answer: Answer, reason: Reason) -> dict[str, Any]:
    """Return a token endpoint's answer, tokens or an error, as JSON.

    Args:
        answer: of the token endpoint.
        reason: what it is called when the endpoint is not well.

    Raises:
        Transient: this is no answer by RFC 6749, section 5.
    """
    try:
        told = answer.json()
    except ValueError:
        told = None
    well = answer.status < 500 and answer.status not in (408, 429)
    if well and isinstance(told, dict):
        word = told.get("access_token", told.get("error"))
        if _is_token_text(word) and word not in _TEMPORARY:
            return told
    raise Transient(reason, f"the token endpoint answered {answer.status}", wait=answer.retry_after())


def _is_token_text(value: object) -> bool:
    """Tell whether this may be a token or an error's code: visible ASCII, that any header can carry."""
    return isinstance(value, str) and value.isascii() and value.isprintable()


def check_code_answer(answer: Answer) -> None:
    """Check a token endpoint's answer to a code before tokens are read from it.

    Raises:
        JobStopped: the code is refused: the guest must begin anew; APP_REFUSED when that helps nobody before this
            service's registration is mended.
        Transient: the cloud is not well.
    """
    told = read_token_answer(answer, Reason.TRY_LATER)
    if "access_token" in told and answer.status == 200:
        return
    error = str(told.get("error"))[:40]
    raise JobStopped(_reason_of(error), f"the code was refused ({error})")


def _reason_of(error: str) -> Reason:
    if error in _DENIALS:
        return Reason.DENIED
    return Reason.APP_REFUSED if error in _APP_REFUSALS else Reason.TRY_LATER


def read_lifetime(told: object) -> float:
    """Return a token's lifetime in seconds from an answer's `expires_in`, which may be missing or nonsense."""
    try:
        seconds = float(str(told))
    except ValueError:
        return USUAL_LIFETIME
    # Less than a second is none, a year is longer than any access token lives; nan fails both comparisons.
    return seconds if 1 <= seconds < 366 * 86400 else USUAL_LIFETIME
