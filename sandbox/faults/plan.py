"""Faults and the plan that decides which request gets which.

`ACTIONS` lists every action with the operations it applies to and its parameters; the clouds' own come from their
folders. A fault that could never fire is rejected.
"""

import threading
from typing import Any, NamedTuple

from sandbox.clouds import CLOUDS

_ALL = [cloud.operations for cloud in CLOUDS]
_API = frozenset().union(*(each.api for each in _ALL))
UPLOADS = frozenset().union(*(each.uploads for each in _ALL))
_PHOTOS = frozenset({"photo"}).union(*(each.downloads for each in _ALL))
_JSON = frozenset({"list"}).union(*(each.json for each in _ALL))
OPERATIONS = frozenset({"list", "photo", "done"}).union(*(each.all for each in _ALL))

ACTIONS: dict[str, frozenset[str]] = {
    "status": OPERATIONS,  # status=, reason=, body=, html=, headers=, early=
    "throttle": OPERATIONS,  # status=403, reason=userRateLimitExceeded, retry_after=
    "drop_before": OPERATIONS,
    "drop_after": OPERATIONS,
    "drop_midway": OPERATIONS,  # bytes=
    "stall": OPERATIONS,  # seconds=, when=before|after
    "drip": OPERATIONS,  # rate= bytes per second, of the body
    "drip_headers": OPERATIONS,  # seconds= for each byte
    "interim": OPERATIONS,  # status=100, count= of them, seconds= after each; without count for ever
    "html": OPERATIONS,
    "redirect": OPERATIONS,  # status=308, location= or several, raw
    "relabel": _PHOTOS | {"list", "done"},  # status=, headers={}, None takes one away, lines=[[name, value]], length=
    "bad_json": _JSON,  # bytes= kept
    "drop_fields": _JSON,  # fields=[...]
    "set_fields": _JSON,  # fields={...}
    "lie_md5": _JSON,
    "lie_size": _JSON,
    "corrupt": _PHOTOS | UPLOADS,  # at= offset
    "truncate": _PHOTOS,  # bytes=, how=cut|smaller|unsized
    "longer": _PHOTOS,  # bytes= more
    "no_range_support": _PHOTOS,
    "wrong_range": _PHOTOS,  # how=start|total|multipart
    "change_etag": _PHOTOS,
    "gzip": _PHOTOS | {"list"},
    "partial": UPLOADS,  # bytes= kept
    "never_read": UPLOADS,  # seconds= until the connection is reset
    "expire_token": _API,
    **{action: on for each in _ALL for action, on in each.own_actions.items()},
}


class Fault:
    """One fault to inject.

    Args:
        on: The operation; `*`: any that the action applies to.
        does: The action, a key of `ACTIONS`.
        times: How often it fires; None: always.
        after: How many matching requests are let pass first.
        match: A part of "METHOD target name @service", where the name is the file's and the service one of
            `sandbox.world.PORTS`.
        params: Parameters of the action; see `ACTIONS`.

    Raises:
        ValueError: The action or the operation is unknown, or they do not fit.
    """

    def __init__(
        self, on: str, does: str, times: int | None = 1, after: int = 0, match: str = "", **params: Any
    ) -> None:
        if does not in ACTIONS:
            raise ValueError(f"no such action: {does!r}")
        if on != "*" and on not in ACTIONS[does]:
            raise ValueError(f"{does!r} does not go with {on!r}, only with {sorted(ACTIONS[does])}")
        self.on = on
        self.does = does
        self.times = times
        self.after = after
        self.match = match
        self.params = params

    def __repr__(self) -> str:
        return f"Fault(on={self.on!r}, does={self.does!r}, times={self.times}, after={self.after}, {self.params})"

    def get(self, name: str, default: Any = None) -> Any:
        """Return a parameter."""
        return self.params.get(name, default)

    def fits(self, operation: str, text: str) -> bool:
        """Tell whether a request matches."""
        return self.on in ("*", operation) and operation in ACTIONS[self.does] and self.match in text


class Fired(NamedTuple):
    """A fault that has fired."""

    fault: Fault
    operation: str
    target: str


class FaultPlan:
    """The faults to inject, in order. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: list[Fault] = []
        self.fired: list[Fired] = []
        self.stopped = threading.Event()  # set when the stand-ins stop; ends every pause

    def add(self, *faults: Fault) -> None:
        """Append faults; of several that match a request the first fires."""
        with self._guard:
            self._waiting.extend(faults)

    def clear(self) -> None:
        """Remove all faults, and the record of those that have fired."""
        with self._guard:
            self._waiting.clear()
            self.fired.clear()

    def take(self, operation: str, target: str, subject: str = "") -> Fault | None:
        """Return the fault for a request, if any, and record it as fired.

        Args:
            operation: The request's operation.
            target: Its method, path and query.
            subject: The file name it is about, and `@` with the service's name.
        """
        with self._guard:
            fired_fault: Fault | None = None
            for fault in [each for each in self._waiting if each.fits(operation, f"{target} {subject}")]:
                if fault.after:
                    fault.after -= 1
                elif not fired_fault:
                    fired_fault = fault
            if fired_fault:
                self.fired.append(Fired(fired_fault, operation, target))
                self._use_up(fired_fault)
            return fired_fault

    def _use_up(self, fault: Fault) -> None:
        if fault.times is None:
            return
        fault.times -= 1
        if fault.times <= 0:
            self._waiting.remove(fault)
