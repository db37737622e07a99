"""A message whose publisher withdrew it is no job."""

from dataclasses import replace

import pytest

from common.errors import Reason, Transient
from common.messages.archive_job import ArchiveJob, JobState
from tests.fakes.job import JOB
from worker.queue.withdrawn import keep_promised
from worker.transfer.stop import Signals


class Verdicts:
    """Answers for the broker, and remembers what was kept."""

    def __init__(self, *void: str) -> None:
        self.void = void
        self.claimed: list[str] = []
        self.kept: list[str] = []

    def claim(self, ticket: str) -> bool:
        """Say that work begins."""
        self.claimed.append(ticket)
        return ticket not in self.void

    def deliver(self, job: ArchiveJob) -> None:
        """Hand a job over."""
        keep_promised(self.claim, lambda job, returns, _signals: self.kept.append(f"{job.ticket}:{returns}"))(
            job, 3, Signals()
        )


def test_a_withdrawn_message_is_not_worked_on() -> None:
    """Its guest was sent to the fail link; another message of the same job counts."""
    verdicts = Verdicts("void")
    verdicts.deliver(replace(JOB, ticket="void"))
    verdicts.deliver(replace(JOB, ticket="well"))
    assert (verdicts.claimed, verdicts.kept) == (["void", "well"], ["well:3"])


@pytest.mark.parametrize("job", [JOB, replace(JOB, ticket="void", state=JobState(slices=1))], ids=["old", "begun"])
def test_nobody_is_asked_about_others(job: ArchiveJob) -> None:
    """What an earlier version of `web` published has no ticket, and what was begun is a job."""
    verdicts = Verdicts("void")
    verdicts.deliver(job)
    assert (verdicts.claimed, len(verdicts.kept)) == ([], 1)


def test_a_broker_that_cannot_be_asked_keeps_the_message() -> None:
    """The consumer gives it back; nothing is begun by guess."""

    def claim(_ticket: str) -> bool:
        raise Transient(Reason.TRY_LATER)

    with pytest.raises(Transient):
        keep_promised(claim, lambda *_: pytest.fail("it was begun"))(replace(JOB, ticket="x"), 0, Signals())
