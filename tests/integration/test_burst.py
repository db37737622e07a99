"""Crowds before a real `python -m web`: its figures are printed; only what no noise can blur is asserted."""

import pytest

from bench.burst import CALLBACKS, CONNECTIONS, SAME_STATE, measure


def test_crowds_hold_up_no_probe(capsys: pytest.CaptureFixture[str]) -> None:
    """Sixty with one state, a thousand guests of a silent token endpoint, two thousand who send nothing whole."""
    seen = measure(watched_seconds=2.0)
    with capsys.disabled():
        print(f"\n{seen}")  # noqa: T201 - who runs the tests wants to see it
    same, guests, idle = seen.crowds
    # Far above what is measured, far below what it was: 11 s for every probe.
    assert max(crowd.quantile(0.99) for crowd in seen.crowds) < 2000
    assert same.answers == {303: SAME_STATE}
    assert set(guests.answers) <= {303, 503}
    assert sum(guests.answers.values()) == CALLBACKS
    assert idle.answers == {0: CONNECTIONS}
    assert idle.lasted < 60
    assert seen.after_mib - seen.before_mib < 60
