"""A message whose publisher withdrew it is no job."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import pytest

from common.errors import Reason, Transient
from common.messages.archive_job import ArchiveJob, JobState
from tests.fakes.job import JOB
from worker.jobs.cloud_access import CloudAccess
from worker.jobs.runner import JobRunner
from worker.transfer.stop import Signals


class Begun(Exception):
    """The job's own work begins."""


class Tickets:
    """Answers for the broker, and remembers who asked and what was begun."""

    def __init__(self, *void: str) -> None:
        self.void = void
        self.taken: list[str] = []
        self.begun: list[str] = []

    def take(self, ticket: str) -> bool:
        """Say whether a message may be begun."""
        self.taken.append(ticket)
        return ticket not in self.void

    def check(self, job: ArchiveJob) -> None:
        """Remember the job, and go no further."""
        self.begun.append(job.ticket)
        raise Begun

    def deliver(self, job: ArchiveJob, take: Callable[[str], bool] | None = None) -> None:
        """Hand a job over."""
        clouds, unused = cast(CloudAccess, self), cast(Any, None)
        runner = JobRunner(unused, clouds, unused, unused, unused, unused, take or self.take)
        with suppress(Begun):
            runner.run(job, 3, Signals())


def test_a_withdrawn_message_is_not_worked_on() -> None:
    """Its guest was sent to the fail link; another message of the same job counts."""
    tickets = Tickets("void")
    tickets.deliver(replace(JOB, ticket="void"))
    tickets.deliver(replace(JOB, ticket="well"))
    assert (tickets.taken, tickets.begun) == (["void", "well"], ["well"])


@pytest.mark.parametrize("job", [JOB, replace(JOB, ticket="void", state=JobState(slices=1))], ids=["old", "begun"])
def test_nobody_is_asked_about_others(job: ArchiveJob) -> None:
    """What an earlier version of `web` published has no ticket, and what was begun is a job."""
    tickets = Tickets("void")
    tickets.deliver(job)
    assert (tickets.taken, len(tickets.begun)) == ([], 1)


def test_a_broker_that_cannot_be_asked_keeps_the_message() -> None:
    """The consumer returns it; nothing is begun by guess."""

    def take(_ticket: str) -> bool:
        raise Transient(Reason.TRY_LATER)

    tickets = Tickets()
    with pytest.raises(Transient):
        tickets.deliver(replace(JOB, ticket="x"), take)
    assert tickets.begun == []
