"""What Yandex may answer, whatever it is: read, or refused in our own words. Never another exception, never a hang."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.clouds.grant import Grant, SharedGrant
from common.clouds.photos import Folder, Photo, StoredPhoto
from common.clouds.yandex_disk import storage
from common.clouds.yandex_disk.auth import SCOPES, YandexAuth
from common.clouds.yandex_disk.storage import YandexStorage
from common.crypto.sealing import Secret
from common.errors import ArchiveError, Reason
from sandbox.http.message import Reply, Request
from tests.fakes.any_json import ANY_JSON, mutated
from tests.fakes.in_process import InProcessHttp
from tests.fakes.memory_stream import MemoryStream

API, OAUTH, UPLOADS = "https://cloud-api.yandex.net", "https://oauth.yandex.ru", "https://uploader1.disk.yandex.net"
SETTINGS = {
    "YANDEX_API_URL": Secret(API),
    "YANDEX_OAUTH_URL": Secret(OAUTH),
    "YANDEX_CLIENT_ID": Secret("id"),
    "YANDEX_CLIENT_SECRET": Secret("hush"),
}
DATA = b"7 bytes"
PHOTO = Photo("1", (), "a.jpg", "https://up-d.lite.gallery/a.jpg", len(DATA))
# More than any walk here needs for an honest disk; whoever asks more goes round in a circle.
MOST_REQUESTS = 300

MARKS = {"cloud_archive": "k", "cloud_archive_album": "", "cloud_archive_photo": "1", "cloud_archive_crc32": "0a"}
FILE = {"path": "disk:/G/a.jpg", "type": "file", "size": 7, "md5": "x", "created": "2026", "custom_properties": MARKS}
FOLDER = {**FILE, "path": "disk:/G", "type": "dir"}
LINK = {"href": f"{UPLOADS}/upload-target/x", "operation_id": "7"}
ROOM = {"total_space": 10, "used_space": 3, "max_file_size": 9}
TOKENS = {"access_token": "y0", "refresh_token": "1:r", "expires_in": 3600, "scope": " ".join(SCOPES)}


def page(*items: dict[str, Any], total: int = 1) -> dict[str, Any]:
    """Return one page of a listing."""
    return {"_embedded": {"items": list(items), "total": total}}


def near(sample: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """Bodies like a sample, mutated anywhere, or not at all like it."""
    pages = sample.get("_embedded", {"items": [sample], "total": 1})
    items = [mutated(item) | mutated({**item, "custom_properties": None}) for item in pages["items"]]
    bent_pages = st.fixed_dictionaries(
        {"items": st.tuples(*items) | ANY_JSON}, optional={"total": st.just(pages["total"]) | ANY_JSON}
    ).map(lambda told: {"_embedded": told})
    value = st.just(sample) | mutated(sample) | (bent_pages if "_embedded" in sample else st.nothing()) | ANY_JSON
    return value.map(lambda told: json.dumps(told).encode()) | st.binary(max_size=20)


def replies_to(*steps: tuple[int, dict[str, Any]]) -> st.SearchStrategy[list[Reply]]:
    """Answers to a walk of so many steps: each honest or not, and then the same over and over."""
    other = st.sampled_from([200, 201, 202, 204, 302, 401, 404, 409, 423, 429, 500, 507])
    headers = st.dictionaries(st.just("Retry-After"), st.sampled_from(["", "7", "x", "-1"]))
    return st.tuples(
        *[st.builds(Reply, st.just(status) | st.just(status) | other, near(body), headers) for status, body in steps]
    ).map(list)


@pytest.fixture(scope="module", autouse=True)
def _hurry() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "MOST_NAMES", 20)
        yield


def answering(replies: list[Reply]) -> InProcessHttp:
    """Answer with one after the other, over and over."""
    count = 0

    def serve(_request: Request) -> Reply:
        nonlocal count
        count += 1
        assert count < MOST_REQUESTS, "it goes round in a circle"
        return replies[(count - 1) % len(replies)]

    return InProcessHttp(dict.fromkeys((API, OAUTH, UPLOADS), serve), Reason.CLOUD_UNAVAILABLE)


def storage_of(replies: list[Reply]) -> YandexStorage:
    """Return a disk that answers so."""
    grant = SharedGrant(Grant(Secret("1:r"), Secret("y0"), 9e12), lambda grant: grant)
    return YandexStorage(SETTINGS, answering(replies), grant, 2**20, lambda _seconds: None)  # type: ignore[arg-type]


def make_albums(opened: YandexStorage) -> None:
    """Look, and make what is missing."""
    known = opened.take_inventory("k")
    opened.make_albums("k", "Свадьба", {(), ("A",), ("A", "B")}, known)


def upload(opened: YandexStorage) -> None:
    """Send a photo, as often as a worker would."""
    session = opened.begin("k", PHOTO, Folder("disk:/G", ""))
    for _ in range(5):
        with suppress(ArchiveError):
            session.advance(MemoryStream(DATA))


PHOTO_THERE = StoredPhoto("1", "disk:/G/a.jpg", 7, None)
WALKS: dict[str, tuple[Callable[[YandexStorage], Any], st.SearchStrategy[list[Reply]]]] = {
    "room": (lambda opened: opened.free_bytes(), replies_to((200, ROOM))),
    "inventory": (
        lambda opened: opened.take_inventory("k"),
        replies_to((200, page(FOLDER)), (200, page(FILE, total=2)), (200, page(FILE, FOLDER, total=2))),
    ),
    "albums": (
        make_albums,
        replies_to((200, page()), (201, LINK), (200, FOLDER), (409, {"error": "x"}), (200, FOLDER)),
    ),
    "look": (lambda opened: opened.is_there(PHOTO_THERE), replies_to((200, FILE))),
    "removal": (
        lambda opened: opened.remove(PHOTO_THERE),
        replies_to((202, {"href": f"{API}/v1/disk/operations/7"}), (200, {"status": "in-progress"})),
    ),
    "upload": (upload, replies_to((200, ROOM), (200, LINK), (202, {}), (200, {"status": "success"}), (200, FILE))),
    "taken": (upload, replies_to((200, ROOM), (409, {"error": "x"}), (200, FILE), (200, FILE))),
}


@pytest.mark.parametrize("walk", WALKS)
@settings(deadline=None)
@given(data=st.data())
def test_any_answer_of_the_disk_is_read_or_not_yandexs(walk: str, data: st.DataObject) -> None:
    """Whatever the statuses and bodies: each call ends, in what it is for or in our own words."""
    call, replies = WALKS[walk]
    with suppress(ArchiveError):
        call(storage_of(data.draw(replies)))


@settings(deadline=None)
@given(
    replies=replies_to((200, TOKENS)) | replies_to((400, {"error": "invalid_grant"})),
    iss=st.none() | st.text(max_size=5),
)
def test_any_answer_to_a_code_or_token_is_read(replies: list[Reply], iss: str | None) -> None:
    """Consent, refresh and revoking end in a grant or in our own words."""
    auth = YandexAuth(SETTINGS, answering(replies))  # type: ignore[arg-type]
    grant = Grant(Secret("1:r"), Secret("y0"), 0)
    answer = {"code": "7", **({} if iss is None else {"iss": iss})}
    for call in (lambda: auth.exchange(answer, "https://h/", "v"), lambda: auth.refresh(grant)):
        with suppress(ArchiveError):
            assert Grant.from_text(call().to_text())
    with suppress(ArchiveError):
        auth.revoke(grant)
