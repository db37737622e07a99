"""W3C trace context: one trace id from the guest's click to the done call.

https://www.w3.org/TR/trace-context/ is one header; OpenTelemetry's SDK would be a dozen packages for it, and nothing
here records spans. Whoever does, the gallery or an ingress, finds its own trace in our log lines and in what we ask the
gallery for.
"""

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass, replace

HEADER = "traceparent"

# Later versions may add more after a dash, the rest stays as it is: section 3.2.4 of the specification.
_FORM = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)


@dataclass(frozen=True)
class Trace:
    """A trace, and the current step (span) in it.

    Args:
        trace_id: 32 hex digits.
        span_id: 16 hex digits.
        flags: as they came; whether somebody records.
    """

    trace_id: str
    span_id: str
    flags: str = "00"

    @property
    def header(self) -> str:
        """The value of `traceparent` for whoever is called from this step."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    def next(self) -> "Trace":
        """Return a new step of the same trace."""
        return replace(self, span_id=secrets.token_hex(8))


_current: ContextVar[Trace] = ContextVar("trace")


def new_trace() -> Trace:
    """Return the first step of a new trace."""
    return Trace(secrets.token_hex(16), secrets.token_hex(8))


def read_trace(header: str) -> Trace | None:
    """Parse a `traceparent` header; None when it is not a valid one."""
    found = _FORM.fullmatch(header)
    if not found or found["version"] == "ff" or (found["version"] == "00" and found["more"]):
        return None
    if not int(found["trace"], 16) or not int(found["span"], 16):
        return None
    return Trace(found["trace"], found["span"], found["flags"])


def set_current_trace(trace: Trace) -> None:
    """Set the trace of the current context, and of the threads that run in copies of it."""
    _current.set(trace)


def current_trace() -> Trace:
    """Return the trace of the current context; a new one if there is none."""
    return _current.get(None) or new_trace()


def outgoing_headers() -> dict[str, str]:
    """Return the `traceparent` header for a request from the current context; none without a trace."""
    trace = _current.get(None)
    return {HEADER: trace.next().header} if trace else {}
