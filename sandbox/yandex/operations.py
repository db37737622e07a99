"""Asynchronous operations: in progress for a while, then succeeded or failed.

https://yandex.ru/dev/disk-api/doc/en/reference/operations
"""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.yandex.errors import ApiError
from sandbox.yandex.paths import Path, is_below


@dataclass
class Operation:
    """One thing that is done later, or an upload that has not arrived.

    Attributes:
        login: Whose.
        path: What it changes.
        status: in-progress, success or failed.
        finish: Does it; None as long as there is nothing to do.
        polls: How often it still says in-progress.
        ends: How it ends: success, or failed without anything done.
        due: The moment of the monotonic clock at which it ends though nobody asks.
    """

    id: str
    login: str
    path: Path
    status: str = "in-progress"
    finish: Callable[[], object] | None = None
    polls: int = 0
    ends: str = "success"
    due: float = 0.0


class Operations:
    """All operations. Thread-safe.

    Attributes:
        polls: How many status requests are answered `in-progress` before an operation ends.
        ends: How operations end: success or failed.
        seconds: After which an operation ends even without status requests.
        lock: Reply 423 to changes of a path that an operation in progress changes.
    """

    def __init__(self) -> None:
        self.polls = 2
        self.ends = "success"
        self.seconds = 30.0
        self.lock = True
        self._guard = threading.Lock()
        self._all: dict[str, Operation] = {}

    def open(self, login: str, path: Path) -> Operation:
        """Return a new operation in progress with nothing to do yet."""
        with self._guard:
            operation = Operation(secrets.token_hex(32), login, path)
            self._all[operation.id] = operation
            return operation

    def begin(
        self, operation: Operation, finish: Callable[[], object], *, polls: int | None = None, ends: str = ""
    ) -> None:
        """Start an operation.

        Args:
            operation: An open one.
            finish: Called at its end; if it raises ApiError, the operation has failed.
            polls: Instead of the usual number.
            ends: Instead of the usual end.
        """
        with self._guard:
            operation.polls = self.polls if polls is None else polls
            operation.ends = ends or self.ends
            operation.due = time.monotonic() + self.seconds
            operation.finish = finish

    def succeed(self, operation: Operation) -> None:
        """End an operation that was done at once."""
        with self._guard:
            operation.status = "success"

    def status(self, id: str, login: str) -> str:  # noqa: A002 - Disk's own word
        """Return the status of an operation.

        Raises:
            ApiError: There is none.
        """
        with self._guard:
            operation = self._all.get(id)
            if not operation or operation.login != login:
                raise ApiError("DiskOperationNotFoundError")
            over = operation.polls <= 0
            operation.polls -= 1
        if over:
            self._end(operation)
        return operation.status

    def finish_due(self) -> None:
        """End the operations whose time is over."""
        with self._guard:
            due = [each for each in self._running() if time.monotonic() >= each.due]
        for operation in due:
            self._end(operation)

    def check_lock(self, login: str, path: Path, *, below: bool = False) -> None:
        """Check that no operation in progress changes a path.

        Args:
            login: The account.
            path: The path to change.
            below: The change concerns everything inside as well.

        Raises:
            ApiError: An operation in progress changes it.
        """
        with self._guard:
            running = [each.path for each in self._running() if each.login == login] if self.lock else []
            if any(is_below(path, each) or (below and is_below(each, path)) for each in running):
                raise ApiError("DiskResourceLockedError", "/".join(path))

    def _running(self) -> list[Operation]:
        return [each for each in self._all.values() if each.finish]

    def _end(self, operation: Operation) -> None:
        with self._guard:
            finish, operation.finish = operation.finish, None
        if not finish:
            return
        # Out of the guard: an account is locked here, and who locks an account looks at operations.
        try:
            if operation.ends == "success":
                finish()
            operation.status = operation.ends
        except ApiError:
            operation.status = "failed"
