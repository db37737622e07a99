"""Faults of the accounts: errors in OAuth's own form, answers that are not as they should be."""

from typing import Any

import pytest
import requests

from sandbox import Fault, World


def refresh(world: World) -> requests.Response:
    """Refresh a token."""
    client, secret = next(iter(world.accounts.clients.items()))
    _, refresh_token = world.accounts.tokens.grant(client, "guest", ("openid",))
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": client, "client_secret": secret}
    return requests.post(world.environment()["GOOGLE_TOKEN_URI"], data=form, timeout=10)


def test_oauth_errors_have_their_own_form(world: World) -> None:
    """At the token endpoint an error is a code and a description."""
    world.faults.add(Fault(on="token", does="status", status=400, reason="invalid_grant"))
    reply = refresh(world)
    assert (reply.status_code, reply.json()) == (
        400,
        {"error": "invalid_grant", "error_description": "Bad Request"},
    )


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"does": "set_fields", "fields": {"expires_in": 1}}, 1),
        ({"does": "drop_fields", "fields": ["expires_in"]}, None),
    ],
)
def test_answers_can_be_changed(world: World, params: dict[str, Any], expected: int | None) -> None:
    """Anything may stand in a reply, or be missing."""
    world.faults.add(Fault(on="token", **params))
    assert refresh(world).json().get("expires_in") == expected
    assert refresh(world).json()["expires_in"] == 3599


def test_lost_answer_of_a_refresh(world: World) -> None:
    """The token was made, nobody heard of it."""
    world.faults.add(Fault(on="token", does="drop_after"))
    with pytest.raises(requests.ConnectionError):
        refresh(world)
    assert world.accounts.refreshes == 1


def test_consent_page_can_be_down(world: World) -> None:
    """The guest's browser meets faults as well."""
    world.faults.add(Fault(on="consent", does="status", status=503, html=True))
    reply = requests.get(world.environment()["GOOGLE_AUTH_URI"], timeout=10)
    assert (reply.status_code, "We're sorry" in reply.text) == (503, True)
