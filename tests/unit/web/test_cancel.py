"""`POST /cloud_archive/jobs/{id}/cancel`."""

import requests

from common.errors import Reason, Transient
from common.job_id import make_job_id
from common.topology import NEWS_EXCHANGE, cancel_key
from tests.fakes.web_site import Site


def cancel(site: Site, job_id: str) -> requests.Response:
    """Press the button."""
    return site.send("POST", f"/cloud_archive/jobs/{job_id}/cancel")


def test_cancel_is_told_to_every_worker(site: Site) -> None:
    """The news go out under the job's own key."""
    job_id = make_job_id(site.settings.sealer, 1_790_000_000)
    assert cancel(site, job_id).status_code == 202
    assert [(each.exchange, each.routing_key) for each in site.broker.published] == [
        (NEWS_EXCHANGE, cancel_key(job_id))
    ]


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
