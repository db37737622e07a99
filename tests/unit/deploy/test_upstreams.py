"""What is counted of the gallery and the clouds, and that a thousand archives make no more series than one."""

import pytest

from common.clouds import CLOUDS
from common.clouds.grant import Grant
from common.crypto.sealing import Secret
from common.errors import ArchiveError, GrantRevoked, Reason, SessionLost, Throttled, Transient
from common.telemetry import metrics
from common.telemetry.upstreams import count_refreshes, count_retry, gallery_observer
from sandbox.faults.plan import Fault
from sandbox.gallery.pictures import Picture, draw
from sandbox.world import World
from tests.fakes.worker_harness import WorkerHarness
from tests.unit.deploy.test_metrics import growth, read

REQUESTS = "cloud_archive_upstream_request_duration_seconds_count"
GRANT = Grant(Secret("refresh"), Secret("access"), 0.0)


@pytest.mark.parametrize("cloud", [cloud.name for cloud in CLOUDS])
def test_an_archives_requests_have_names(world: World, cloud: str) -> None:
    """Every request of a whole archive, failures and a refresh included, is of a kind that its cloud names."""
    archive = world.gallery.add("x", [Picture(f"A/{number}.jpg", draw(number, 900)) for number in range(4)])
    harness, before = WorkerHarness(world, cloud), read(metrics.WORKER)
    described = next(each for each in CLOUDS if each.name == cloud)
    world.faults.add(Fault("upload", "expire_token", times=1), Fault("photo", "status", times=1, status=503))
    harness.deliver_to_the_end(harness.make_job(archive))
    grown = growth(before, read(metrics.WORKER))
    asked = [name.split()[1:] for name in grown if name.startswith(REQUESTS)]
    assert {upstream for *_, upstream in asked} == {cloud}
    kinds = {operation for _, operation, _ in asked}
    # Not every cloud has a call that begins an upload.
    named = {called for *_, called in described.operations}
    assert kinds >= {"upload", "list", "make_folder", "space"} | ({"begin"} & named)
    assert "other" not in kinds
    assert grown["cloud_archive_transferred_bytes_total upload"] >= 4 * 900


@pytest.mark.parametrize(
    ("method", "url", "called"),
    [
        ("GET", "https://app.litegallery.io/g/api/stream/1/2?json=true", "list"),
        ("GET", "https://cdn.lite.gallery/a/b.jpg?token=secret", "photo"),
        ("POST", "https://app.litegallery.io/cloud_archive/done", "done"),
        ("PURGE", "https://app.litegallery.io/", "other"),
    ],
)
def test_the_gallerys_requests_have_names(method: str, url: str, called: str) -> None:
    """Never a piece of their addresses."""
    assert gallery_observer().name_operation(method, url) == called


def test_no_address_and_no_status_makes_a_series() -> None:
    """What comes from outside is one of a few words, however much comes."""
    watch = gallery_observer()

    def see(number: int) -> None:
        watch.on_request("GET", f"https://h{number}.example/{number}.jpg?id={number}", number, 0.5, number)
        watch.on_request("GET", f"https://h{number}.example/{number}.jpg", 0, 0.5, 0)

    for number in range(1000):
        see(number)
    before = set(read(metrics.WORKER))
    for number in range(1000, 2000):
        see(number)
    assert set(read(metrics.WORKER)) == before
    codes = {dict(labels)["code"] for name, labels in before if name == REQUESTS}
    assert {"none", "other", "4xx", "404"} <= codes
    assert len(codes) < 30


@pytest.mark.parametrize(
    ("error", "series"),
    [
        (Transient(Reason.GALLERY_UNAVAILABLE), "gallery_unavailable gallery"),
        (SessionLost(Reason.WRONG_BYTES), "wrong_bytes gallery"),
        (Transient(Reason.CLOUD_UNAVAILABLE), "cloud_unavailable yadisk"),
        (Throttled(Reason.CLOUD_UNAVAILABLE), "throttled yadisk"),
        (Transient(Reason.TRY_LATER), "other yadisk"),
    ],
)
def test_retries_are_counted_where_they_are_due(error: ArchiveError, series: str) -> None:
    """The gallery's to the gallery, the cloud's to the cloud; all of these stood at zero before."""
    before = read(metrics.WORKER)
    count_retry("yadisk", error)
    after = read(metrics.WORKER)
    assert growth(before, after) == {f"cloud_archive_upstream_retries_total {series}": 1}
    assert before.keys() == after.keys()


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (None, "renewed"),
        (GrantRevoked(), "revoked"),
        (Transient(Reason.CLOUD_UNAVAILABLE), "failed"),
    ],
)
def test_refreshes_are_counted(failure: ArchiveError | None, outcome: str) -> None:
    """By their outcome, which is passed on."""

    def refresh(grant: Grant) -> Grant:
        if failure:
            raise failure
        return grant

    before = read(metrics.WORKER)
    if failure is None:
        assert count_refreshes(refresh)(GRANT) is GRANT
    else:
        with pytest.raises(type(failure)):
            count_refreshes(refresh)(GRANT)
    assert growth(before, read(metrics.WORKER)) == {f"cloud_archive_token_refreshes_total {outcome}": 1}
