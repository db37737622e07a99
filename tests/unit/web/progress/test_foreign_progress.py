"""Any message as progress: shown or ignored, and never a page that breaks."""

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.messages.progress import NotProgress, Progress, State
from tests.fakes.any_json import ANY_JSON, EDGE_CASES, mutated
from tests.fakes.snapshots import FAILED
from web.api.status import make_status
from web.pages.view import render_job
from web.progress.store import ProgressStore
from web.texts import LANGUAGES

SAMPLE: dict[str, Any] = json.loads(FAILED.encode())
MESSAGES = (mutated(SAMPLE) | ANY_JSON).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=30)
FIELDS = [*SAMPLE, *(f"failures.{name}" for name in SAMPLE["failures"][0])]


def show(body: bytes) -> None:
    """Show what a message tells, as JSON and as a page in every language, alone and after what was known."""
    try:
        told = Progress.decode(body)
    except NotProgress:
        return
    assert Progress.decode(told.encode()) == told
    store = ProgressStore(lambda: 2.0)
    for known in (replace(told, state=State.RUNNING), told):
        store.update(known)
        shown = store.find(told.job_id)
        assert shown is None or make_status(shown).model_dump_json()
        for texts in LANGUAGES.values():
            assert shown is None or render_job(shown, texts)


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_may_hold_anything(field: str) -> None:
    """Each value that readers stumble over, in each place."""
    for spite in [*EDGE_CASES, None, "gone", 7]:
        message = copy.deepcopy(SAMPLE)
        (message["failures"][0] if "." in field else message)[field.rpartition(".")[2]] = spite
        show(json.dumps(message).encode())


@settings(deadline=None)
@given(MESSAGES)
def test_any_message_is_shown_or_ignored(body: bytes) -> None:
    """The queue may hold anything."""
    show(body)
