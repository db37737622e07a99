"""What the consumer does without a broker."""

from concurrent.futures import Future

import pytest

from worker.queue.consumer import log_bug


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_bug_of_a_jobs_thread_is_logged(caplog: pytest.LogCaptureFixture, *, cancelled: bool) -> None:
    """A job that never ran, because the process ends, is none."""
    run: Future[None] = Future()
    run.cancel() if cancelled else run.set_exception(KeyError("job"))
    log_bug(run)
    assert caplog.text.count("settling a message met a bug") == (not cancelled)


def test_a_job_that_ran_is_not_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    """It says itself what became of it."""
    run: Future[None] = Future()
    run.set_result(None)
    log_bug(run)
    assert caplog.text == ""
