"""Verdicts of a chaos run: each has no finding when all is well, and each can have some."""

import json
from email.message import Message
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.chaos.judge import done_calls, pages, stops, verdicts
from sandbox.chaos.judge.evidence import has_lost_grant
from sandbox.chaos.judge.verdicts import Case, Leftover
from sandbox.chaos.load.stops import SavedJob, Stop
from sandbox.chaos.observe.status_poller import Observation, ObservationLog
from sandbox.chaos.observe.undisturbed_clock import UndisturbedClock
from sandbox.gallery.host import Archive, Done
from sandbox.gallery.pictures import Picture
from sandbox.world import World
from tests.fakes.clock import Clock

PICTURES = (Picture("A/1.jpg", b"one"), Picture("2.jpg", b"two"))
ARCHIVE = Archive("Gallery", "/g", "https://arch-d.lite.gallery/g?mod=web", PICTURES, [])
BEGUN = SavedJob("job1", "anna", ARCHIVE, "google_drive", at=0.0)
NEVER: dict[str, list[float]] = {}


def call(failed: Any = 0, at: float = 50.0, status: int | None = 200, missing: int = 0, by: str = "worker-1") -> Done:
    """Return a call that the gallery got."""
    headers = Message()
    named = {"X-Cloud-Archive-Job": "job1", "X-Cloud-Archive-Url": ARCHIVE.url, "Idempotency-Key": "job1"}
    for name, value in named.items():
        headers[name] = value
    body = {"cloud_type": "google_drive", "failed_photos": failed, "archive_type": "originals"}
    sight = done_calls.CloudSnapshot({"anna": missing}, undisturbed=at)
    path = f"/{by}/cloud_archive/done"
    return Done("POST", path, headers, json.dumps(body).encode(), body, status, at, at + 0.1, sight)


def page(
    state: str = "done",
    counts: tuple[int, int, int, int] = (2, 2, 0, 0),
    at: float = 60.0,
    *,
    until: float | None = None,
    replica: str = "web 1",
    start: int = 1,
    folder: str | None = "https://drive/folder",
) -> Observation:
    """Return what a replica showed: total, copied, skipped and failed photos."""
    photos = dict(zip(("total", "copied", "skipped", "failed"), counts, strict=True))
    size = {"total": 10 * counts[0], "copied": 10 * (counts[1] + counts[2])}
    what = {"state": state, "photos": photos, "bytes": size, "folder_url": folder, "reason": None}
    end = at if until is None else until
    return Observation(replica, start, 200, False, what, at, end, at, end)


def absent(status: int, at: float, *, retry_after: bool = False) -> Observation:
    """Return an answer that shows nothing."""
    return Observation("web 1", 1, status, retry_after, {}, at, at, at, at)


def quiet() -> UndisturbedClock:
    """Return the calm of a run without any trouble, on a clock that stands."""
    return UndisturbedClock(Clock().now)


GOOD = Case(BEGUN, [call()], [page("running", (2, 1, 0, 0), 10.0), page()])


def test_all_is_well():
    """Of a job that went as it should, nobody finds anything to say."""
    assert verdicts.judge_lost(GOOD) == []
    assert done_calls.judge_repeats(GOOD, NEVER, quiet()) == ([], 0)
    assert done_calls.judge_words(GOOD) == []
    assert pages.judge_progress(GOOD, {}) == []
    assert pages.judge_end(GOOD, ["web 1"], missing=0) == []
    assert stops.judge_stop(GOOD) == []


@pytest.mark.parametrize(
    "case",
    [
        Case(BEGUN, [], [page()]),
        Case(BEGUN, [call(status=503)], [page()]),
        Case(BEGUN, [call(2, missing=2)], [page("failed", (2, 0, 0, 2))]),
    ],
)
def test_lost_an_archive_that_never_ended_or_gave_photos_up(case):
    """Nobody was told, or photos were given up that nothing kept back."""
    assert len(verdicts.judge_lost(case)) == 1


def test_not_lost_what_its_guest_stopped_or_nobody_could_finish():
    """After a stop photos may be missing, and after a kill that took the only permission along."""
    calls = [call(2, missing=2)]
    assert verdicts.judge_lost(Case(BEGUN, calls, stop=Stop(1.0, 1.0, "web 1", "running", 2))) == []
    assert verdicts.judge_lost(Case(BEGUN, calls, lost_grant=True)) == []


def test_a_stop_that_was_answered_by_an_error_may_have_landed():
    """Whoever asked for it got it, or did not; without one nobody stops an archive."""
    calls, last = [call(2, missing=2)], [page("cancelled", (2, 0, 0, 2))]
    assert verdicts.judge_lost(Case(BEGUN, calls, last, is_stop_in_doubt=True)) == []
    assert pages.judge_end(Case(BEGUN, calls, last, is_stop_in_doubt=True), ["web 1"], 2) == []
    assert len(verdicts.judge_lost(Case(BEGUN, calls, last))) == 1
    assert len(pages.judge_end(Case(BEGUN, calls, last), ["web 1"], 2)) == 1


def test_lost_photos_are_missed_only_where_they_must_be(world: World):
    """Every photo and album of a gallery that must be there is missed, of one that was stopped none."""
    account = world.drive.account("anna")
    lost, doubled = verdicts.judge_account(account, [ARCHIVE], [ARCHIVE], "google_drive")
    assert (len(lost), doubled) == (4, [])
    assert verdicts.judge_account(account, [], [ARCHIVE], "google_drive") == ([], [])


def test_doubled_are_photos_and_folders_that_are_there_twice(world: World):
    """A photo twice, a photo of nobody's, and a second folder; once is right."""
    account = world.drive.account("anna")
    folder = account.add_folder("Gallery")
    observations = account.add_folder("A", folder.id)
    account.add("1.jpg", b"one", observations.id)
    account.add("2.jpg", b"two", folder.id)
    assert verdicts.judge_account(account, [ARCHIVE], [ARCHIVE], "google_drive") == ([], [])
    account.add("2.jpg", b"two", folder.id)
    account.add_folder("A", folder.id)
    lost, doubled = verdicts.judge_account(account, [ARCHIVE], [ARCHIVE], "google_drive")
    assert lost == []
    assert sum("not as in the gallery" in each for each in doubled) == 1
    assert sum("2 folders" in each for each in doubled) == 1


@pytest.mark.parametrize(
    ("before", "after", "killed_at", "wrong", "helpless"),
    [
        (call(at=50.0), call(at=55.0), {}, 1, 0),
        (call(at=50.0), call(at=55.0), {"worker 1": [51.0]}, 0, 1),
        (call(at=50.0), call(at=55.0), {"worker 1": [54.0]}, 1, 0),
        (call(at=50.0), call(at=55.0), {"worker 2": [51.0]}, 1, 0),
        (call(at=50.0), call(2, at=55.0), {"worker 1": [51.0]}, 1, 0),
        (call(at=50.0, status=503), call(at=55.0), {}, 0, 0),
        (call(at=50.0, status=None), call(at=55.0), {}, 0, 0),
    ],
)
def test_told_twice_is_a_call_after_a_2xx_that_its_caller_has(before, after, killed_at, wrong, helpless):
    """Only a caller that was killed right then may be excused, and only for the same words."""
    found, excused = done_calls.judge_repeats(Case(BEGUN, [before, after]), killed_at, quiet())
    assert (len(found), excused) == (wrong, helpless)


def test_told_twice_is_excused_while_nobody_could_be_told_of_the_first():
    """Cut off from the broker, a caller cannot pass on what it knows."""
    clock = Clock()
    undisturbed = UndisturbedClock(clock.now)
    with undisturbed.disturbed():
        before, after = call(at=clock.now()), call(at=clock.now() + 5)
        assert done_calls.judge_repeats(Case(BEGUN, [before, after]), NEVER, undisturbed) == ([], 1)


def test_told_wrongly_another_count_than_is_missing():
    """The count is compared with the cloud when the first call came."""
    assert len(done_calls.judge_words(Case(BEGUN, [call(2, missing=0)]))) == 1
    assert len(done_calls.judge_words(Case(BEGUN, [call(0, missing=1)]))) == 1
    assert done_calls.judge_words(Case(BEGUN, [call(1, missing=1)])) == []


def test_told_wrongly_two_counts_under_one_key():
    """A refused call counts as well: it may have been read."""
    assert len(done_calls.judge_words(Case(BEGUN, [call(0, status=503), call(2)]))) == 1


def test_told_wrongly_more_missing_than_are_is_excused_where_the_grant_was_lost_with_a_worker():
    """Whoever knew of the photos was killed, and nobody can look; fewer than are missing is no such thing."""
    assert done_calls.judge_words(Case(BEGUN, [call(2, missing=1)], lost_grant=True)) == []
    assert len(done_calls.judge_words(Case(BEGUN, [call(1, missing=2)], lost_grant=True))) == 1


def test_told_wrongly_more_missing_than_are_is_excused_after_a_stop_beside_another_job():
    """Another job may have brought more since this one counted; alone, nobody can."""
    stop = Stop(1.0, 1.0, "web 1", "running", 2)
    assert done_calls.judge_words(Case(BEGUN, [call(2, missing=1)], stop=stop)) == []
    assert len(done_calls.judge_words(Case(BEGUN, [call(2, missing=1)], stop=stop, is_alone=True))) == 1
    assert len(done_calls.judge_words(Case(BEGUN, [call(1, missing=2)], stop=stop))) == 1


@pytest.mark.parametrize("count", ["0", None, 0.5, True])
def test_told_wrongly_what_the_contract_does_not_know(count):
    """A count is a whole number."""
    assert done_calls.judge_words(Case(BEGUN, [call(count)]))


def test_told_wrongly_of_a_gallery_that_is_none():
    """Whoever has no promise may be told of, but must be a gallery's."""
    assert done_calls.find_strangers([call()], {ARCHIVE.url}) == []
    assert len(done_calls.find_strangers([call()], set())) == 1


RUNNING = page("running", (10, 5, 1, 0), 10.0)


@pytest.mark.parametrize(
    "after",
    [
        page("running", (10, 4, 1, 0), 20.0),
        page("running", (10, 5, 0, 0), 20.0),
        page("running", (9, 5, 1, 0), 20.0),
        page("running", (10, 5, 1, 0), 20.0, folder=None),
        page("running", (0, 0, 0, 0), 20.0, start=2),
        page("awaiting_consent", (10, 5, 1, 0), 20.0),
        page("queued", (0, 0, 0, 0), 20.0, until=30.0, replica="web 2"),
        page("done", (10, 6, 5, 0), 20.0),
        absent(404, 20.0),
        absent(500, 20.0),
        absent(503, 20.0),
        absent(503, 20.0, retry_after=True),
    ],
)
def test_page_went_back(after):
    """Numbers fall, the folder vanishes, an end does not add up, or a page that was there is away."""
    assert pages.judge_progress(Case(BEGUN, observations=[RUNNING, after]), {})


@pytest.mark.parametrize("state", ["running", "failed", "cancelled", "queued"])
def test_page_went_back_when_it_left_an_end(state):
    """An end is the end, and no other one."""
    assert pages.judge_progress(Case(BEGUN, observations=[page(), page(state, at=70.0)]), {})


@pytest.mark.parametrize(
    "after",
    [
        page("running", (10, 6, 1, 0), 20.0),
        page("waiting", (10, 5, 1, 0), 20.0),
        page("queued", (0, 0, 0, 0), 10.5, until=12.0, replica="web 2"),
        Observation("web 1", 2, 503, True, {}, 20.0, 20.0, 20.0, 20.0),
        page("done", (10, 5, 5, 0), 20.0),
    ],
)
def test_page_went_on(after):
    """More, the same, another replica that will know in a moment, and one that is just starting are no step back."""
    assert pages.judge_progress(Case(BEGUN, observations=[RUNNING, after]), {}) == []


def test_page_has_a_second_after_it_is_ready():
    """What a replica shows in its first second may be older."""
    case = Case(BEGUN, observations=[RUNNING, page("running", (10, 1, 0, 0), 20.0, until=20.6, start=2)])
    assert pages.judge_progress(case, {("web 1", 2): 19.8}) == []
    assert len(pages.judge_progress(case, {("web 1", 2): 19.0})) == 1


@pytest.mark.parametrize(
    ("last", "done", "missing"),
    [
        (page("failed", (2, 0, 0, 2)), call(0), 0),
        (page("failed", (2, 2, 0, 0)), call(0), 0),
        (page("queued", (0, 0, 0, 0)), call(0), 0),
        (page("done", (2, 2, 0, 0)), call(0), 1),
        (page("done", (3, 3, 0, 0)), call(0), 0),
        (page("cancelled", (2, 2, 0, 0)), call(0), 0),
    ],
)
def test_page_is_wrong(last, done, missing):
    """The end that is shown is not what the gallery was told, or not what stands in the cloud."""
    assert pages.judge_end(Case(BEGUN, [done], [last]), ["web 1"], missing)


def test_page_is_wrong_when_it_calls_skipped_what_the_job_itself_brought():
    """Nobody else copied: what was not there before was brought by the job."""
    case = Case(BEGUN, [call()], [page("done", (2, 1, 1, 0))], is_alone=True)
    assert len(pages.judge_end(case, ["web 1"], missing=0)) == 1


def test_page_is_wrong_when_a_replica_shows_nothing():
    """Every replica is asked."""
    assert len(pages.judge_end(GOOD, ["web 1", "web 2"], missing=0)) == 1


def stopped(state: str = "running", missing: int = 2) -> Stop:
    """Return a stop that was accepted."""
    return Stop(20.0, 20.0, "web 1", state, missing)


@pytest.mark.parametrize(
    "case",
    [
        Case(BEGUN, [call()], [page()], stopped()),
        Case(BEGUN, [], [page("cancelled")], stopped()),
        Case(BEGUN, [call(at=90.0)], [page("cancelled")], stopped()),
        Case(
            BEGUN,
            [call(2)],
            [page("waiting", at=21.0, until=23.0), page("cancelled")],
            stopped("waiting"),
        ),
        Case(
            BEGUN,
            [call(2)],
            [page("waiting", at=5.0, until=40.0, replica="web 2"), page("cancelled")],
            stopped("waiting"),
        ),
    ],
)
def test_stop_ignored(case):
    """The job ended otherwise, nobody was told in time, or a page went on showing that it waits."""
    assert len(stops.judge_stop(case)) == 1


@pytest.mark.parametrize(
    "case",
    [
        Case(BEGUN, [call(2)], [page("cancelled", (2, 0, 0, 2))], stopped()),
        Case(BEGUN, [call(at=21.0)], [page()], stopped()),
        Case(BEGUN, [call()], [page()], stopped(missing=0)),
        Case(BEGUN, [call(2)], [page("waiting", at=5.0, until=21.0), page("cancelled")], stopped("waiting")),
    ],
)
def test_stop_heard(case):
    """It ended so, or had ended before, or had all its photos."""
    assert stops.judge_stop(case) == []


def test_left_over_is_a_message_of_a_job_that_has_ended():
    """One whose job has not ended is where it should be; one of nobody's is left over too."""
    cases = {"job1": GOOD, "job2": Case(BEGUN)}
    messages = [Leftover("cloud_archive.dead", name) for name in ("job1", "job2", "job3")]
    assert [("job1" in each, "job3" in each) for each in verdicts.judge_leftovers(messages, cases)] == [
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize(
    ("killed_at", "expected"), [([10.2], True), ([9.0], False), ([11.5], False), ([], False), ([12.0, 10.1], True)]
)
def test_a_grant_is_lost_only_with_somebody_who_was_killed_right_then(killed_at, expected):
    """What was spent last counts, since whatever followed it was never used."""
    assert has_lost_grant([5.0, 10.0], {"worker 1": killed_at}, {"worker 1": [10.3]}, quiet()) is expected


@pytest.mark.parametrize(("end", "expected"), [(14.0, True), (9.0, False), (22.0, True), (26.0, False)])
def test_a_grant_is_lost_with_somebody_who_was_asked_to_end_while_the_broker_was_away(end, expected):
    """From before the cloud's answer until the end; whoever sees the broker once more writes it down."""
    clock = Clock()
    undisturbed = UndisturbedClock(clock.now)
    began = clock.now()
    clock.sleep(10)
    with undisturbed.disturbed():
        clock.sleep(10)
    ends = {"worker 1": [began + end]}
    assert has_lost_grant([began + 9.9], {"worker 1": []}, ends, undisturbed) is expected


def test_calm_counts_what_nothing_disturbs():
    """Disturbances may overlap; each is remembered."""
    clock = Clock()
    undisturbed = UndisturbedClock(clock.now)
    clock.sleep(5)
    began = clock.now()
    with undisturbed.disturbed(), undisturbed.disturbed():
        clock.sleep(3)
        assert undisturbed.read() == 5
        assert undisturbed.disturbances("web 1", began + 1, began + 2) == [(began, began + 3)] * 2
    clock.sleep(2)
    assert undisturbed.read() == 7
    assert undisturbed.disturbances("web 1", began + 4, began + 5) == []
    assert undisturbed.disturbances("web 1", 0, began + 5) == [(began, began + 3)] * 2


def test_calm_knows_who_was_cut_off():
    """Time does not count for anybody, but only who was cut off is excused."""
    clock = Clock()
    undisturbed = UndisturbedClock(clock.now)
    began = clock.now()
    with undisturbed.disturbed("worker 1"):
        clock.sleep(3)
    assert undisturbed.read() == 0
    assert undisturbed.disturbances("worker 1", began, began) == [(began, began + 3)]
    assert undisturbed.disturbances("worker 2", began, began) == []


def test_an_album_keeps_what_changed_and_for_how_long_it_stayed():
    """Looks that show the same are one."""
    observations = ObservationLog()
    for each in (page(at=1.0), page(at=2.0), page("running", at=3.0), page(at=4.0, start=2)):
        observations.add("job1", each)
    assert [(each.state, each.first_at, each.last_at) for each in observations.observations["job1"]] == [
        ("done", 1.0, 2.0),
        ("running", 3.0, 3.0),
        ("done", 4.0, 4.0),
    ]
    assert observations.ready_at == {("web 1", 1): 1.0, ("web 1", 2): 4.0}


@given(st.lists(st.tuples(st.sampled_from(["web 1", "web 2"]), st.integers(0, 3), st.booleans(), st.integers(0, 9))))
def test_every_step_back_of_any_pair_of_pages_is_found(steps: list[tuple[str, int, bool, int]]):
    """Whoever compares each page with all before it finds one exactly when this does."""
    seen, at = [], 10.0  # long after its start
    for replica, copied, has_folder, seconds in steps:
        at += seconds
        folder = "https://drive/folder" if has_folder else None
        seen.append(page("running", (3, copied, 0, 0), at, replica=replica, folder=folder))
    pairs = [
        (before, after)
        for place, after in enumerate(seen)
        for before in seen[:place]
        if before.replica == after.replica or after.last_undisturbed - before.first_undisturbed > pages.LAG_SECONDS
    ]
    went_back = any(pages._describe_step_back(before, after) for before, after in pairs)
    assert bool(pages.judge_progress(Case(BEGUN, observations=seen), {})) == went_back
