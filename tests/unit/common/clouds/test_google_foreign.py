"""What Google's token endpoint may answer, whatever it is: a grant that can be used, or a refusal in our own words."""

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.clouds.google_drive.auth import GoogleAuth
from common.clouds.grant import Grant
from common.errors import ArchiveError
from tests.fakes.any_json import ANY_JSON, EDGE_CASES, mutated
from tests.fakes.google_permission import ANSWER, CALLBACK, GRANT, TOKEN_URI, TOKENS, VERIFIER

ASKS: dict[str, Callable[[GoogleAuth], Grant]] = {
    "exchange": lambda auth: auth.exchange(ANSWER, CALLBACK, VERIFIER),
    "refresh": lambda auth: auth.refresh(GRANT),
}
FIELDS = [*TOKENS, "error", "error_description", "error_uri", "expires_at", "id_token", "error_subtype"]


def check(auth: GoogleAuth, google: responses.RequestsMock, ask: str, status: int, body: bytes) -> None:
    """Ask once, get this, and look at what is made of it."""
    google.reset()
    google.post(TOKEN_URI, body=body, status=status, content_type="application/json")
    with suppress(ArchiveError):
        grant = ASKS[ask](auth)
        assert Grant.from_text(grant.to_text()) == grant
        for token in (grant.access_token, grant.refresh_token):
            # As it is sent: in a header, and in a form.
            assert f"Bearer {token.reveal()}".encode()
        assert grant.access_token.reveal().isprintable()


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("field", FIELDS)
def test_a_field_may_hold_anything(auth: GoogleAuth, google: responses.RequestsMock, ask: str, field: str) -> None:
    """Each value that readers stumble over, in each place, with tokens and with an error."""
    for spite in [*EDGE_CASES, None, 7, "a\nb", "я"]:
        for status, sample in ((200, TOKENS), (400, {"error": "invalid_grant"})):
            check(auth, google, ask, status, json.dumps({**sample, field: spite}).encode())


@pytest.mark.parametrize("ask", ASKS)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    status=st.sampled_from([200, 400, 401, 403, 500]),
    body=st.binary(max_size=20) | (mutated(TOKENS) | ANY_JSON).map(lambda told: json.dumps(told).encode()),
)
def test_any_answer_is_a_grant_or_a_refusal(
    auth: GoogleAuth, google: responses.RequestsMock, ask: str, status: int, body: bytes
) -> None:
    """Nothing else comes out of the libraries in between."""
    check(auth, google, ask, status, body)
