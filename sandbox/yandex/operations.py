"""What Disk does later: operations that are in progress for a while, then succeed or fail. Knows no HTTP.

https://yandex.ru/dev/disk-api/doc/en/reference/operations
"""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.yandex.errors import Refused
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
    """Every operation. Thread-safe.

    Attributes:
        polls: How often an operation says in-progress before it ends.
        ends: How operations end: success or failed.
        seconds: After which one ends though nobody asks.
        lock: What an operation in progress changes can't be changed by others: 423.
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
        """Let an operation take its time.

        Args:
            operation: An open one.
            finish: What it does in the end; may raise Refused, then it has failed.
            polls: Instead of the usual number.
            ends: Instead of the usual end.
        """
        with self._guard:
            operation.polls = self.polls if polls is None else polls
            operation.ends = ends or self.ends
            operation.due = time.monotonic() + self.seconds
            operation.finish = finish

    def succeed(self, operation: Operation) -> None:
        """End an operation that needed no time."""
        with self._guard:
            operation.status = "success"

    def look(self, id: str, login: str) -> str:  # noqa: A002 - Disk's own word
        """Return the status of an operation.

        Raises:
            Refused: There is none.
        """
        with self._guard:
            operation = self._all.get(id)
            if not operation or operation.login != login:
                raise Refused("DiskOperationNotFoundError")
            over = operation.polls <= 0
            operation.polls -= 1
        if over:
            self._end(operation)
        return operation.status

    def settle(self) -> None:
        """End what is due."""
        with self._guard:
            due = [each for each in self._running() if time.monotonic() >= each.due]
        for operation in due:
            self._end(operation)

    def check_lock(self, login: str, path: Path, *, below: bool = False) -> None:
        """Look whether something may be changed.

        Args:
            login: Whose.
            path: Where.
            below: What is inside is changed as well.

        Raises:
            Refused: An operation in progress changes it.
        """
        with self._guard:
            running = [each.path for each in self._running() if each.login == login] if self.lock else []
            if any(is_below(path, each) or (below and is_below(each, path)) for each in running):
                raise Refused("DiskResourceLockedError", "/".join(path))

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
        except Refused:
            operation.status = "failed"
