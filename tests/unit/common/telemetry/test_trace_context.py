"""The traceparent header, read as its specification has it."""

from contextvars import copy_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.telemetry.trace_context import Trace, new_trace, outgoing_headers, read_trace, set_current_trace

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_header_is_read_and_written_as_it_was() -> None:
    """The specification's own example."""
    header = f"00-{TRACE}-{SPAN}-01"
    assert read_trace(header) == Trace(TRACE, SPAN, "01")
    assert Trace(TRACE, SPAN, "01").header == header


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    """And passed on as version 00."""
    trace = read_trace(f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like")
    assert trace
    assert trace.header == f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"cc-{TRACE}-{SPAN}-01.more",
    ],
)
def test_what_is_no_header_begins_no_trace(header: str) -> None:
    """It is treated as missing."""
    assert read_trace(header) is None


@given(st.text())
def test_any_text_is_a_trace_or_none(text: str) -> None:
    """No header from outside raises, or breaks a log line."""
    trace = read_trace(text)
    assert trace is None or set(trace.header) <= set("0123456789abcdef-")


def test_each_step_has_a_name_of_its_own() -> None:
    """In the same trace."""
    first = new_trace()
    context = copy_context()
    context.run(set_current_trace, first)
    second = read_trace(context.run(outgoing_headers)["traceparent"])
    assert second
    assert (second.trace_id, second.flags) == (first.trace_id, first.flags)
    assert second.span_id != first.span_id
    assert outgoing_headers() == {}
    assert new_trace().trace_id != first.trace_id
