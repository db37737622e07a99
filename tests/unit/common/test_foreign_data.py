"""What others send us, whatever it is: read, or refused in our own words. Never another exception, never a hang."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.clouds.google_drive.failures import read_failure
from common.clouds.google_drive.resumable import read_reply
from common.clouds.google_drive.storage import DriveStorage
from common.clouds.grant import Grant, SharedGrant
from common.clouds.photos import Folder, Photo
from common.crypto.sealing import NotSealedByUs, Sealer, Secret, make_key
from common.errors import ArchiveError, Reason, SessionLost, Transient
from common.http.client import Answer
from common.messages.archive_job import ArchiveJob, NotOurMessage
from sandbox.http.message import Reply, Request, text_reply
from tests.fakes.any_json import ANY_JSON, mutated
from tests.fakes.in_process import InProcessHttp
from web.consent.oauth_state import InvalidState, open_state

API = "https://www.googleapis.com"
SEALER = Sealer([Secret(make_key())])

JOB = {
    "version": 1,
    **dict.fromkeys(("id", "cloud_type", "archive_type", "archive_url", "gallery_name", "grant", "created_at"), "x"),
}
COURSE = {"slices": 1, "arrived": {"1": "a"}, "rejected": {"1": ["gone", "x"]}, "waiting_since": 1.5, "telling": True}


@settings(deadline=None)
@given(
    st.binary()
    | ANY_JSON.map(lambda value: json.dumps(value).encode())
    | mutated({**JOB, "course": COURSE}).map(lambda value: json.dumps(value).encode())
)
def test_any_message_is_a_job_or_none_of_ours(body: bytes) -> None:
    """The queue may hold anything."""
    with suppress(NotOurMessage):
        assert ArchiveJob.decode(ArchiveJob.decode(body).encode())


@settings(deadline=None)
@given(mutated(COURSE))
def test_any_course_is_read_or_refused(course: dict[str, Any]) -> None:
    """What earlier slices left, by whatever version of us."""
    with suppress(NotOurMessage):
        ArchiveJob.decode(json.dumps({**JOB, "course": course}).encode())


@settings(deadline=None)
@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]{20,200}", fullmatch=True))
def test_any_state_is_opened_or_refused(state: str) -> None:
    """The callback takes it from everybody."""
    with pytest.raises(InvalidState):
        open_state(SEALER, "google_drive", state, 0)
    with pytest.raises(NotSealedByUs):
        SEALER.open(state, "state:google_drive")


@settings(deadline=None)
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7), cut=st.booleans())
def test_a_changed_state_is_void(at: int, bit: int, cut: bool) -> None:
    """One bit, or an end that is missing."""
    sealed = SEALER.seal(json.dumps([1, "job", 0, "verifier", "webs", "u", "Название", "s", "f"]), "state:google_drive")
    at %= len(sealed)
    changed = sealed[:at] if cut else sealed[:at] + chr(ord(sealed[at]) ^ 1 << bit) + sealed[at + 1 :]
    with pytest.raises(InvalidState):
        open_state(SEALER, "google_drive", changed, 0)


class Drive:
    """Answers every request with one and the same thing; or, given an address, opens every session there."""

    def __init__(self, answer: Any, address: str | None = None) -> None:
        reply = Reply(200, answer) if isinstance(answer, bytes) else text_reply(json.dumps(answer))

        def serve(request: Request) -> Reply:
            if address is None:
                return reply
            if "generateIds" in request.target:
                return text_reply('{"ids": ["a"]}')
            return Reply(200, b"", {"Location": address})

        http = InProcessHttp({API: serve}, Reason.CLOUD_UNAVAILABLE)
        grant = SharedGrant(Grant(Secret("1//r"), Secret("ya29.a"), 9e12), lambda grant: grant)
        self.storage = DriveStorage({"GOOGLE_API_URL": Secret(API)}, http, grant, 2**20, lambda _seconds: None)  # type: ignore[arg-type]


FILE = {
    "id": "a",
    "mimeType": "image/jpeg",
    "size": "7",
    "webViewLink": "https://drive.google.com/a",
    "appProperties": {"photo": "1", "crc32": "0a", "album": ""},
    "createdTime": "2026-11-23T00:00:00.000Z",
    "parents": ["b"],
}
ABOUT = {"storageQuota": {"limit": "10", "usage": "3"}}
FOLDER = Folder("b", "")
PHOTO = Photo("1", (), "a.jpg", "https://up-d.lite.gallery/a.jpg", 7)


@settings(deadline=None)
@given(
    st.binary(max_size=30) | ANY_JSON | mutated({"files": [FILE]}) | mutated(FILE).map(lambda file: {"files": [file]})
)
def test_any_listing_is_read_or_not_drives(answer: Any) -> None:
    """A photo that cannot be read is not taken for a missing one: it would be copied twice."""
    if isinstance(answer, dict) and answer.get("nextPageToken"):
        return  # the fake would give the same page for ever
    with suppress(Transient):
        Drive(answer).storage.take_inventory("archive")


@settings(deadline=None)
@given(
    st.binary(max_size=30)
    | ANY_JSON
    | mutated(ABOUT)
    | mutated(ABOUT["storageQuota"]).map(lambda quota: {"storageQuota": quota})
)
def test_any_quota_is_read_or_not_drives(answer: Any) -> None:
    """Free bytes are a number that is not negative, or unlimited."""
    with suppress(Transient):
        free = Drive(answer).storage.free_bytes()
        assert free is None or free >= 0


@settings(deadline=None)
@given(
    st.binary(max_size=30)
    | ANY_JSON
    | ANY_JSON.map(lambda value: {"ids": value})
    | ANY_JSON.map(lambda value: {"ids": ["a", value]})
)
def test_any_ids_are_ids_or_not_drives(answer: Any) -> None:
    """What is no text is no id; then a session has no address, which is Transient as well."""
    with pytest.raises(Transient):
        Drive(answer).storage.begin("archive", PHOTO, FOLDER)


@pytest.mark.parametrize(
    ("answer", "free"),
    [
        ({"storageQuota": {}}, None),
        ({"storageQuota": {"usage": "3"}}, None),
        ({"storageQuota": {"limit": "10"}}, 10),
        ({"storageQuota": {"limit": "10", "usage": "3"}}, 7),
        ({"storageQuota": {"limit": 10, "usage": 30}}, 0),
    ],
)
def test_a_quota_means_what_it_says(answer: Any, free: int | None) -> None:
    """No limit is no limit; over the limit is none left."""
    assert Drive(answer).storage.free_bytes() == free


@pytest.mark.parametrize("field", [("size", "many"), ("id", ""), ("id", 7)])
def test_a_photo_that_cannot_be_read_stops_the_look(field: tuple[str, Any]) -> None:
    """Left out, it would be copied once more."""
    with pytest.raises(Transient):
        Drive({"files": [{**FILE, field[0]: field[1]}]}).storage.take_inventory("archive")
    (photo,) = Drive({"files": [FILE]}).storage.take_inventory("archive").photos
    assert (photo.id, photo.size, photo.crc32, photo.folder_id) == ("a", 7, 10, "b")


@pytest.mark.parametrize(
    "address",
    [
        f"{API}/upload/drive/v3/files?upload_id=x",
        "https://storage.googleapis.com/upload?upload_id=x",
        "https://WWW.GoogleAPIs.com/upload?upload_id=x",
    ],
)
def test_sessions_at_google_are_used(address: str) -> None:
    """At the API's own address, or at another of Google's."""
    assert Drive({}, address).storage.begin("archive", PHOTO, FOLDER).offset == 0


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/upload?upload_id=x",
        "http://www.googleapis.com/upload?upload_id=x",
        "https://www.googleapis.com:8443/upload?upload_id=x",
        "https://www.googleapis.com.evil.example/upload?upload_id=x",
        "https://www.googleapis.com@evil.example/upload?upload_id=x",
        "https://evil.example\\@www.googleapis.com/upload?upload_id=x",
        "https://evilgoogleapis.com/upload?upload_id=x",
        "https://169.254.169.254/upload?upload_id=x",
        "https://evil.example/www.googleapis.com",
    ],
)
def test_sessions_elsewhere_are_not(address: str) -> None:
    """A guest's photo goes to Google or nowhere; the error does not repeat the address, which may be a secret."""
    with pytest.raises(Transient) as raised:
        Drive({}, address).storage.begin("archive", PHOTO, FOLDER)
    assert "upload_id" not in str(raised.value)


@settings(deadline=None)
@given(
    status=st.sampled_from([200, 201, 308, 400, 404, 410, 499]),
    span=st.none() | st.text(max_size=30) | st.from_regex(r"bytes=\d{1,25}-\d{1,25}", fullmatch=True),
    body=st.binary(max_size=30) | ANY_JSON.map(lambda value: json.dumps(value).encode()),
    asked=st.booleans(),
)
def test_any_reply_of_a_session_is_read(status: int, span: str | None, body: bytes, asked: bool) -> None:
    """Range headers and bodies of all sorts: a place, a file, a doubt, or the session's end."""
    headers = {} if span is None else {"range": span}
    with suppress(SessionLost):
        reply = read_reply(status, headers, body, bytes_sent=1000, is_query=asked)
        assert 0 <= getattr(reply, "offset", 0) <= 1000


@settings(deadline=None)
@given(
    status=st.integers(100, 599),
    body=st.binary(max_size=30) | ANY_JSON.map(lambda value: json.dumps({"error": value}).encode()),
    wait=st.text(max_size=20),
)
def test_any_refusal_has_a_meaning(status: int, body: bytes, wait: str) -> None:
    """One of ours, and nothing of the body but a plain word."""
    assert isinstance(read_failure(Answer(status, {"retry-after": wait}, body)), ArchiveError)
