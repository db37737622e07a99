"""One photo on its way into Yandex Disk, and the disk it gets into: the strict-server list, case by case."""

import hashlib
import random
from typing import Any

import pytest

from common.clouds.yandex_disk.custom_properties import MD5, PHOTO, fit_name, number_name
from common.errors import InventoryStale, JobStopped, PhotoRejected, Postponed, Reason, Transient
from common.http.client import HttpClient
from common.http.network_policy import PUBLIC_ONLY
from tests.contract.stands import ARCHIVE, CHUNK, Stand, make_photo
from tests.fakes.memory_stream import MemoryStream

DATA = random.Random(7).randbytes(2 * CHUNK + 1000)
WHOLE = [("Свадьба/a.jpg", len(DATA), hashlib.md5(DATA).hexdigest())]


def copy(stand: Stand, data: bytes = DATA) -> None:
    """Copy one photo."""
    storage = stand.storage()
    stand.copy(storage, make_photo(data), data, stand.album(storage))


def count(stand: Stand, method: str, part: str) -> int:
    """Return how many requests of a kind were sent."""
    requests = [*stand.service.requests, *stand.world.yandex_uploader.requests]
    return sum(request.method == method and part in request.target for request in requests)


def test_a_photo_costs_three_requests(stand: Stand) -> None:
    """A link, the bytes without any token, and one that sets properties and proves; no pretended browser."""
    copy(stand)
    assert (count(stand, "GET", "/resources/upload"), count(stand, "PUT", "/upload-target/")) == (1, 1)
    assert count(stand, "PATCH", "a.jpg") == 1
    (put,) = stand.world.yandex_uploader.requests
    assert put.headers.get("Authorization") is None
    assert put.headers.get("Content-Length") == str(len(DATA))
    assert "Yandex.Disk" not in put.headers["User-Agent"]
    (file,) = stand.service.account().files()
    assert (file.properties[PHOTO], file.properties[MD5]) == ("1", file.md5)


@pytest.mark.parametrize("status", [404, 410])
def test_a_link_that_ended_is_replaced(stand: Stand, status: int) -> None:
    """It is asked for right before the bytes; should it end all the same, another one is."""
    stand.service.gone_status = status
    stand.fault("yandex_upload", "expired_link")
    copy(stand)
    assert stand.tree() == WHOLE
    assert count(stand, "GET", "/resources/upload") == 2


@pytest.mark.parametrize("polls", [0, 1, 5])
def test_accepted_is_waited_for(stand: Stand, polls: int) -> None:
    """202: the operation is asked until it ends."""
    stand.fault("yandex_upload", "defer", polls=polls)
    copy(stand)
    assert stand.tree() == WHOLE
    assert count(stand, "GET", "/operations/") >= polls
    assert count(stand, "PUT", "/upload-target/") == 1


def test_an_operation_that_does_not_end_is_asked_again_and_sends_nothing_twice(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its deadline is a try, and the next try goes on asking."""
    monkeypatch.setattr("common.clouds.yandex_disk.session.OPERATION_SECONDS", 0.0)
    monkeypatch.setattr("common.clouds.yandex_disk.session.SECONDS_PER_BYTE", 0.0)
    stand.fault("yandex_upload", "defer", polls=3)
    copy(stand)
    assert stand.tree() == WHOLE
    assert count(stand, "PUT", "/upload-target/") == 1
    assert len(stand.clock.slept) == 3


def test_an_operation_that_failed_is_done_again(stand: Stand) -> None:
    """The bytes were taken and lost."""
    stand.fault("yandex_upload", "defer", ends="failed")
    copy(stand)
    assert stand.tree() == WHOLE
    assert count(stand, "PUT", "/upload-target/") == 2


@pytest.mark.parametrize("status", [404, 500])
def test_what_is_seen_late_is_looked_for_again(stand: Stand, status: int) -> None:
    """Three times, and nothing is sent again."""
    stand.fault("yandex_upload", "late", looks=3, status=status)
    copy(stand)
    assert stand.tree() == WHOLE
    assert count(stand, "PUT", "/upload-target/") == 1
    assert stand.clock.slept == []


def test_what_is_seen_very_late_is_found_at_its_path(stand: Stand) -> None:
    """Past all patience the photo is not sent again either: its path is taken, and its bytes are compared."""
    stand.fault("yandex_upload", "late", looks=9)
    copy(stand)
    assert stand.tree() == WHOLE
    assert count(stand, "PUT", "/upload-target/") == 1


def test_a_lost_reply_is_looked_after_before_anything_is_sent_again(stand: Stand) -> None:
    """The PUT timed out, and the photo landed."""
    stand.fault("yandex_upload", "drop_after")
    copy(stand)
    assert stand.tree() == WHOLE
    assert count(stand, "PUT", "/upload-target/") == 1
    (file,) = stand.service.account().files()
    assert file.properties[PHOTO] == "1"


def test_wrong_bytes_are_removed_and_sent_again(stand: Stand) -> None:
    """For good: not into the bin, where they would take up room."""
    stand.fault("yandex_upload", "corrupt", at=CHUNK)
    copy(stand)
    assert stand.tree() == WHOLE
    assert count(stand, "DELETE", "permanently=true") == 1
    assert len(stand.service.account().items) == 2


@pytest.mark.parametrize(
    ("does", "params"), [("status", {"status": 423}), ("defer", {"ends": "failed"}), ("defer", {}), ("html", {})]
)
def test_wrong_bytes_are_removed_however_long_that_takes(stand: Stand, does: str, params: dict[str, Any]) -> None:
    """Locked, or removed later: they are neither forgotten nor taken for somebody else's."""
    stand.fault("yandex_upload", "partial", bytes=1)
    stand.fault("yandex_delete", does, times=3, **params)
    copy(stand)
    assert stand.tree() == WHOLE


def test_wrong_bytes_that_a_crash_left_are_no_photo(stand: Stand) -> None:
    """Marked, but not what was sent: the next run copies the photo, and touches nothing it does not know."""
    copy(stand)
    account = stand.service.account()
    (file,) = account.files()
    account.add("b.jpg", b"edited", file.parent).properties = dict(file.properties)
    account.change(file.id, trashed=True)
    assert stand.storage().take_inventory(ARCHIVE).photos == []
    copy(stand)
    assert [path for path, _, _ in stand.tree()] == ["Свадьба/a.jpg", "Свадьба/b.jpg"]


@pytest.mark.parametrize("match", ["a.jpg", "resources?path=disk%3A%2F%D0%A1%D0%B2%D0%B0%D0%B4%D1%8C%D0%B1%D0%B0&"])
def test_properties_that_got_lost_are_set_again_by_the_last_look(stand: Stand, match: str) -> None:
    """Confirmed and forgotten, the photo's or the folder's: the same run sees and mends it."""
    stand.fault("yandex_patch", "lose_properties", match=match)
    storage = stand.storage()
    stand.copy(storage, make_photo(DATA), DATA, stand.album(storage))
    assert stand.storage().take_inventory(ARCHIVE).photos == []
    for eye in (storage, stand.storage()):
        assert [photo.key for photo in eye.take_inventory(ARCHIVE).photos] == ["1"]


def test_a_photo_without_properties_is_known_by_its_path_and_bytes(stand: Stand) -> None:
    """Nothing is sent, nothing is made twice, and it has properties again."""
    copy(stand)
    account = stand.service.account()
    for item in [*account.files(), *account.folders()]:
        item.properties.clear()
    assert stand.storage().take_inventory(ARCHIVE).photos == []
    copy(stand)
    assert stand.tree() == WHOLE
    assert count(stand, "PUT", "/upload-target/") == 1
    assert [photo.key for photo in stand.storage().take_inventory(ARCHIVE).photos] == ["1"]


def test_a_guests_own_file_of_the_same_size_is_left_alone(stand: Stand) -> None:
    """Its bytes are not ours: the photo gets another name."""
    storage = stand.storage()
    folder = stand.album(storage)
    account = stand.service.account()
    account.add("a.jpg", b"x" * len(DATA), account.folders()[0].id)
    stand.copy(storage, make_photo(DATA), DATA, folder)
    assert [path for path, _, _ in stand.tree()] == ["Свадьба/a (2).jpg", "Свадьба/a.jpg"]


def test_a_guests_own_folder_and_file_of_our_names(stand: Stand) -> None:
    """The folder is shared with them; a file where a folder should be makes it the second."""
    account = stand.service.account()
    account.add("mine.jpg", b"m", account.add_folder("Свадьба").id)
    account.add("Альбом", b"a file", account.folders()[0].id)
    storage = stand.storage()
    assert stand.album(storage, ("Альбом",)).id == "disk:/Свадьба/Альбом (2)"
    assert [folder.name for folder in account.folders()] == ["Свадьба", "Альбом (2)"]


def test_a_guests_copy_of_our_folder_is_theirs(stand: Stand) -> None:
    """The older one is meant; the copy is neither joined nor emptied."""
    copy(stand)
    account = stand.service.account()
    ours = account.folders()[0]
    theirs = account.add_folder("Копия")
    theirs.properties, theirs.created = dict(ours.properties), "2099-01-01T00:00:00+00:00"
    storage = stand.storage()
    inventory = storage.take_inventory(ARCHIVE)
    assert (inventory.duplicate_albums, len(inventory.photos)) == ([], 1)
    storage.merge_albums(inventory)
    assert len(account.folders()) == 2


def test_a_folder_that_went_away_is_noticed(stand: Stand) -> None:
    """The job looks again."""
    storage = stand.storage()
    folder = stand.album(storage)
    account = stand.service.account()
    account.trash(account.folders()[0].id)
    with pytest.raises(InventoryStale):
        stand.copy(storage, make_photo(DATA), DATA, folder)


def test_a_photo_that_is_too_large_is_not_begun(stand: Stand) -> None:
    """The account says what it takes before the first byte."""
    stand.service.account().max_file_size = len(DATA) - 1
    with pytest.raises(PhotoRejected):
        copy(stand)
    assert count(stand, "GET", "/resources/upload") == 0


@pytest.mark.parametrize(
    ("on", "fault", "kind"),
    [
        ("yandex_link", {"status": 423, "reason": "DiskUploadTrafficLimitExceeded"}, Postponed),
        ("yandex_link", {"status": 423, "reason": "DiskReadOnlyError"}, Postponed),
        ("yandex_upload", {"status": 423, "body": {"error": "DiskReadOnlyError"}}, Postponed),
    ],
)
def test_refusals_that_nothing_mends_are_not_repeated(
    stand: Stand, on: str, fault: dict[str, Any], kind: type[Exception]
) -> None:
    """Each ends what it concerns, at once."""
    stand.fault(on, "status", times=None, **fault)
    with pytest.raises(kind):
        copy(stand)
    assert stand.fired() == 1


@pytest.mark.parametrize("status", [400, 402, 403, 406, 413, 418, 451])
@pytest.mark.parametrize(
    "on", ["yandex_disk", "yandex_resource", "yandex_mkdir", "yandex_link", "yandex_upload", "yandex_patch"]
)
def test_one_refusal_that_nobody_knows_ends_nothing(stand: Stand, on: str, status: int) -> None:
    """The same call is repeated, as the worker does, and the photo arrives once."""
    policy = stand.policy()
    stand.fault(on, "status", status=status)
    storage = stand.storage()
    policy.call_with_retry(storage.free_bytes)
    folder = policy.call_with_retry(lambda: stand.album(storage))
    stand.copy(storage, make_photo(DATA), DATA, folder)
    assert stand.fired() == 1
    assert stand.tree() == WHOLE
    assert stand.world.violations == []


@pytest.mark.parametrize("status", [400, 403, 413, 451])
def test_a_refusal_that_stays_ends_the_photo(stand: Stand, status: int) -> None:
    """After as many tries as anything has, and with its own reason."""
    storage = stand.storage()
    folder = stand.album(storage)
    stand.fault("yandex_link", "status", status=status, times=None)
    with pytest.raises(PhotoRejected) as rejected:
        stand.copy(storage, make_photo(DATA), DATA, folder)
    assert (rejected.value.reason, stand.fired()) == (Reason.CLOUD_REFUSED, 5)


@pytest.mark.parametrize("name", ["DiskUnsupportedUserAccountTypeError", "UserIsBlockedError"])
def test_an_account_that_is_refused_stays_so(stand: Stand, name: str) -> None:
    """Tried as often as anything, and then the job says that it is the account."""
    stand.fault("yandex_disk", "status", status=403, reason=name, times=None)
    with pytest.raises(JobStopped) as stopped:
        stand.policy().call_with_retry(stand.storage().free_bytes)
    assert (stopped.value.reason, stand.fired()) == (Reason.ACCOUNT_REFUSED, 5)


@pytest.mark.parametrize("fault", [{"status": 423}, {"status": 412}, {"status": 503}, {"status": 509}, {"status": 429}])
def test_refusals_that_pass_are_waited_out(stand: Stand, fault: dict[str, Any]) -> None:
    """A link that is in use, a range nobody sent, trouble, too fast."""
    stand.fault("yandex_upload", "status", times=2, **fault)
    copy(stand)
    assert stand.tree() == WHOLE
    assert stand.world.violations == []


def test_a_source_that_breaks_is_read_on_within_the_same_upload(stand: Stand) -> None:
    """Since the PUT cannot be resumed, a gallery's hiccup must not break it."""
    storage = stand.storage()
    folder, stream = stand.album(storage), MemoryStream(DATA)
    stream.fails = {CHUNK: Transient(Reason.PHOTO_UNAVAILABLE), 2 * CHUNK: Transient(Reason.PHOTO_UNAVAILABLE)}
    stand.copy(storage, make_photo(DATA), DATA, folder, stream)
    assert stand.tree() == WHOLE
    assert count(stand, "PUT", "/upload-target/") == 1


def test_the_wait_for_a_reply_grows_with_the_photo(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Yandex looks at every byte before it answers: two minutes for a GiB at least."""
    waits: list[float] = []
    request = HttpClient.request

    def watch(self: HttpClient, method: str, url: str, **options: Any) -> Any:
        if "/upload-target/" in url:
            waits.append(options["read_seconds"])
        return request(self, method, url, **options)

    monkeypatch.setattr(HttpClient, "request", watch)
    monkeypatch.setattr("common.clouds.yandex_disk.session.SECONDS_PER_BYTE", 1.0)
    copy(stand)
    assert waits == [60.0 + len(DATA)]


def test_slow_types_arrive(stand: Stand) -> None:
    """A video taken at a snail's pace."""
    stand.service.slow_rate = 1_000_000
    storage = stand.storage()
    stand.copy(storage, make_photo(DATA, "film.mp4"), DATA, stand.album(storage))
    assert [path for path, _, _ in stand.tree()] == ["Свадьба/film.mp4"]
    assert stand.world.violations == []


@pytest.mark.parametrize("most", [1, 3])
def test_pages_may_be_shorter_than_asked_for(stand: Stand, most: int) -> None:
    """The listing ends where its total is reached."""
    storage = stand.storage()
    folder = stand.album(storage)
    for number in range(7):
        stand.copy(storage, make_photo(b"%d" % number, f"{number}.jpg", str(number)), b"%d" % number, folder)
    stand.service.max_items = most
    assert {str(number) for number in range(7)} == {photo.key for photo in storage.take_inventory(ARCHIVE).photos}


@pytest.mark.parametrize(
    "address", ["", "http://uploader1.disk.yandex.net/x", "https://evil.example/x", "https://yandex.net.evil.example/"]
)
def test_bytes_go_to_yandex_only(stand: Stand, address: str) -> None:
    """With the real API a link that leads elsewhere is not followed."""
    from common.clouds.grant import Grant, SharedGrant
    from common.clouds.yandex_disk.api import YandexApi
    from common.crypto.sealing import Secret

    in_use = SharedGrant(Grant(Secret("r"), Secret("a"), 2e9), lambda grant: grant)
    http = HttpClient(connections=1, policy=PUBLIC_ONLY, reason=Reason.CLOUD_UNAVAILABLE)
    api = YandexApi("https://cloud-api.yandex.net", http, in_use)
    with pytest.raises(Transient):
        api.check_upload(address)
    good = "https://uploader12v.disk.yandex.net:443/upload-target/20261123T1/utd?x=1"
    assert good == api.check_upload(good)


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [
        ("a.jpg", 1, "a.jpg"),
        ("a.jpg", 2, "a (2).jpg"),
        ("a", 10, "a (10)"),
        (".hidden", 2, ".hidden (2)"),
        ("x" * 251 + ".jpg", 2, "x" * 247 + " (2).jpg"),
    ],
)
def test_numbered_names_stay_short_and_keep_their_ending(name: str, number: int, expected: str) -> None:
    """255 characters at most."""
    assert expected == number_name(name, number)
    assert len(number_name(name, number)) <= 255


@pytest.mark.parametrize(
    ("name", "expected"), [("12/30", "12_30"), ("..", "_"), (" . ", "_"), ("a\nb", "a_b"), ("Имя: 1", "Имя: 1")]
)
def test_a_gallerys_name_becomes_one_a_folder_can_have(name: str, expected: str) -> None:
    """A slash would be another folder."""
    assert expected == fit_name(name)
