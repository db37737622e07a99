"""The sealed state, also between replicas of two versions."""

import dataclasses
import json
from typing import Any

import pytest

from common.crypto.sealing import Sealer, Secret, make_key
from web.consent.oauth_state import LIFETIME_SECONDS, InvalidState, OAuthState, open_state

SEALER = Sealer([Secret(make_key())])
NOW = 1_790_000_000
STATE = OAuthState(
    job_id="job",
    issued_at=NOW,
    verifier="v" * 43,
    archive_type="webs",
    archive_url="https://a.example/a",
    gallery_name="Свадьба",
    success_link="https://a.example/saved",
    fail_link="https://a.example/not-saved",
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)
# What the version before sealed: its fields by their places, the last of them missing still earlier.
POSITIONAL = [
    1,
    "job",
    NOW,
    "v" * 43,
    "webs",
    "https://a.example/a",
    "Свадьба",
    "https://a.example/saved",
    "https://a.example/not-saved",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
]


def seal(content: object) -> str:
    """Seal any JSON as a state."""
    return SEALER.seal(json.dumps(content), "state:google_drive")


def read_sealed(state: OAuthState = STATE) -> dict[str, Any]:
    """Return the JSON inside of a sealed state."""
    content: dict[str, Any] = json.loads(SEALER.open(state.seal(SEALER, "google_drive"), "state:google_drive"))
    return content


def open_here(sealed: str, now: float = NOW) -> OAuthState:
    """Open a state as this version does."""
    return open_state(SEALER, "google_drive", sealed, now)


def open_as_version_1(sealed: str) -> list[object]:
    """Open a state as the version before does, word for word; it refuses with a ValueError."""
    version, *values = json.loads(SEALER.open(sealed, "state:google_drive"))
    if version != 1:
        raise InvalidState("made by another version")
    return values


def test_state_opens_as_it_was_sealed() -> None:
    """Every field has its own value again."""
    assert open_here(STATE.seal(SEALER, "google_drive")) == STATE


def test_every_field_has_a_key_of_its_own() -> None:
    """A field that is added without a key, or with another's, is noticed here."""
    values = dataclasses.asdict(STATE).values()
    content = read_sealed()
    assert len(content) == len(values) + 1
    assert [content[key] for key in content if key != "v"] == list(values)


def test_states_of_the_version_before_open_for_an_hour() -> None:
    """During a rollout; with the trace or, still older, without it."""
    assert open_here(seal(POSITIONAL), NOW + LIFETIME_SECONDS) == STATE
    assert open_here(seal(POSITIONAL[:-1])) == dataclasses.replace(STATE, traceparent="")
    with pytest.raises(InvalidState, match="too old"):
        open_here(seal(POSITIONAL), NOW + LIFETIME_SECONDS + 1)


def test_the_version_before_refuses_ours() -> None:
    """In the other direction its guest gets the page for a void state, no failure and no wrong link."""
    assert open_as_version_1(seal(POSITIONAL)) == POSITIONAL[1:]
    with pytest.raises(InvalidState, match="another version"):
        open_as_version_1(STATE.seal(SEALER, "google_drive"))


def test_a_later_version_may_reorder_and_add_fields() -> None:
    """Of the same number: names say which is which, and what is new is ignored."""
    content = read_sealed()
    assert open_here(seal({"new": {"a": 1}, **dict(reversed(content.items()))})) == STATE


@pytest.mark.parametrize("place", range(1, 9))
def test_a_later_version_may_not_drop_fields(place: int) -> None:
    """What is needed and missing is a void state, not a bug."""
    content = read_sealed()
    del content[list(content)[place]]
    with pytest.raises(InvalidState, match="lacks a field"):
        open_here(seal(content))
    with pytest.raises(InvalidState, match="lacks a field"):
        open_here(seal(POSITIONAL[:place]))


@pytest.mark.parametrize("content", [[2, *POSITIONAL[1:]], {**read_sealed(), "v": 3}])
def test_another_version_is_refused(content: object) -> None:
    """Its fields may mean something else."""
    with pytest.raises(InvalidState, match="another version"):
        open_here(seal(content))


def test_repr_shows_no_secret() -> None:
    """Only the job's id."""
    assert repr(STATE) == "OAuthState(job)"
