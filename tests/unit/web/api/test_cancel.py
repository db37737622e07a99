"""`POST /cloud_archive/jobs/{id}/cancel`."""

import pytest
import requests

from common.errors import Reason, Transient
from common.messages.job_id import make_job_id
from common.messages.ledger import Entry, Kind
from common.messages.progress import Progress, State
from common.messages.topology import EXCHANGE, LEDGER_KEY
from tests.fakes.web_site import Site


def cancel(site: Site, job_id: str) -> requests.Response:
    """Press the button."""
    return site.send("POST", f"/cloud_archive/jobs/{job_id}/cancel")


def test_cancel_is_written_down(site: Site) -> None:
    """It stands in the ledger before it is answered: whoever has the job, or will have it, stops it."""
    job_id = make_job_id(site.settings.sealer, 1_790_000_000)
    assert cancel(site, job_id).status_code == 202
    (written,) = site.broker.published
    assert (written.exchange, written.routing_key) == (EXCHANGE, LEDGER_KEY)
    assert Entry.decode(written.body)[1] == Entry(job_id=job_id, kind=Kind.STOPPED)


def test_made_up_job_is_unknown(site: Site) -> None:
    """Nothing is told to anybody."""
    answer = cancel(site, "A" * 38)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert site.broker.published == []


def test_broker_out_of_reach_is_said(site: Site) -> None:
    """The guest may try again in a moment."""
    site.broker.failure = Transient(Reason.TRY_LATER)
    answer = cancel(site, make_job_id(site.settings.sealer, 1_790_000_000))
    assert (answer.status_code, answer.json()["code"]) == (503, "try_later")
    assert answer.headers["Retry-After"] == "5"


@pytest.mark.parametrize("state", [State.QUEUED, State.WAITING, State.RUNNING])
def test_what_waits_is_shown_as_stopped_at_once(site: Site, state: State) -> None:
    """Whoever has a job in their hands tells of its end; what is in nobody's may wait for half an hour."""
    job_id = make_job_id(site.settings.sealer, 1_790_000_000)
    site.store.update(Progress(job_id=job_id, state=state, photos_total=9, photos_copied=4, updated_at=1_790_000_001))
    assert cancel(site, job_id).status_code == 202
    shown = site.store.find(job_id)
    assert shown
    if state is State.RUNNING:
        assert shown.state is State.RUNNING
    else:
        assert (shown.state, shown.photos_copied, shown.photos_failed) == (State.CANCELLED, 4, 5)
