"""The gallery's list: foreign JSON becomes photos under honest names, and nothing in it makes the reader stumble."""

import json
import subprocess
import sys
import tracemalloc
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from common.clouds.google_drive.metadata import format_time
from common.clouds.photos import Photo
from common.errors import Reason, Transient
from worker.gallery.manifest import MAX_ALBUM_DEPTH, MAX_KEY_LENGTH, MAX_NAME_LENGTH, Manifest, read_manifest

SEED = {
    "crc": "e7b057b2",
    "filesize": 268756,
    "created_at": "2024-08-17 12:54:32 +0300",
    "name": "Photos 1/Test_011.jpg",
    "url": "https://up-d.lite.gallery/litepr-m/uploads/image/image/49851973/Test_011.jpg",
    "id": 49851973,
}


def read(*entries: Any) -> Manifest:
    """Read a list of entries."""
    return read_manifest(json.dumps(entries).encode())


def read_one(**changes: Any) -> Photo:
    """Read the seed's entry with some fields changed; None of them may make it unusable."""
    manifest = read({**SEED, **changes})
    assert manifest.unusable == []
    (photo,) = manifest.photos.values()
    return photo


def test_the_seeds_own_example() -> None:
    """The entry the user gave, word for word."""
    expected = Photo(
        key="49851973",
        album=("Photos 1",),
        name="Test_011.jpg",
        url="https://up-d.lite.gallery/litepr-m/uploads/image/image/49851973/Test_011.jpg",
        size=268756,
        crc32=0xE7B057B2,
        taken_at=datetime(2024, 8, 17, 12, 54, 32, tzinfo=timezone(timedelta(hours=3))),
    )
    assert read_one() == expected


def test_fields_nobody_knows_are_ignored() -> None:
    """The gallery may grow."""
    assert read_one(width=4000, tags=["a"], nested={"id": 1}) == read_one()


def test_an_empty_list_is_a_list() -> None:
    """Nothing to copy, nothing failed."""
    assert read() == Manifest({}, [])


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"null", b'"x"', b"7", b"<html>log in</html>", b"[{", b"\xff\xfe", b"[" * 100_000, b"PK\x05\x06"],
    ids=["empty", "object", "null", "text", "number", "page", "cut", "no text", "deep", "zip"],
)
def test_what_is_no_list_may_be_one_later(body: bytes) -> None:
    """The gallery is asked again; there is no count to be told of."""
    with pytest.raises(Transient) as raised:
        read_manifest(body)
    assert raised.value.reason == Reason.GALLERY_UNAVAILABLE


@pytest.mark.parametrize(
    ("listed", "album", "name"),
    [
        ("Test.jpg", (), "Test.jpg"),
        ("A/B/c.jpg", ("A", "B"), "c.jpg"),
        ("../../etc/passwd", ("etc",), "passwd"),
        ("A/../B/./c.jpg", ("A", "B"), "c.jpg"),
        ("/A/c.jpg", ("A",), "c.jpg"),
        ("///c.jpg", (), "c.jpg"),
        ("A//B///c.jpg", ("A", "B"), "c.jpg"),
        (" / .. /c.jpg", (), "c.jpg"),
        (" A /c .jpg", (" A ",), "c .jpg"),
        (".../....jpg", ("...",), "....jpg"),
        (".hidden/.jpg", (".hidden",), ".jpg"),
        ("A\nB/c\x00\x1b[31m\x7f\x85.jpg", ("A_B",), "c__[31m__.jpg"),
        ("it's \"q\"/d'Or.jpg", ('it\'s "q"',), "d'Or.jpg"),
        ("A\\B/..\\c.jpg", ("A\\B",), "..\\c.jpg"),
        ("😀/👨‍👩‍👧.jpg", ("😀",), "👨‍👩‍👧.jpg"),
        ("Свадьба/Фото 1.jpg", ("Свадьба",), "Фото 1.jpg"),
        ("и\u0306/e\u0301.jpg", ("и\u0306",), "e\u0301.jpg"),
        ("A/\ud800.jpg", ("A",), "?.jpg"),
        ("C:/aux/nul?*<>|.jpg", ("C:", "aux"), "nul?*<>|.jpg"),
    ],
)
def test_a_name_becomes_the_nearest_honest_one(listed: str, album: tuple[str, ...], name: str) -> None:
    """Slashes part albums, nothing leads upwards, and what a cloud can hold is held letter by letter."""
    photo = read_one(name=listed)
    assert (photo.album, photo.name) == (album, name)


@pytest.mark.parametrize("listed", ["", "A/", "/", "..", "A/..", "  ", "./."])
def test_a_name_that_is_none_is_taken_from_the_address(listed: str) -> None:
    """The file is called something where it comes from."""
    assert read_one(name=listed).name == "Test_011.jpg"


@pytest.mark.parametrize(
    ("url", "key", "expected"),
    [
        ("https://up-d.lite.gallery/a/%D0%A4%D0%BE%D1%82%D0%BE%201.jpg?w=1", 1, "Фото 1.jpg"),
        ("https://up-d.lite.gallery/a/b%2Fc%00.jpg", 1, "c_.jpg"),
        ("https://up-d.lite.gallery/a/b%2F..", 7, "7"),
        ("https://up-d.lite.gallery/", 7, "7"),
        ("https://up-d.lite.gallery", "a/b", "b"),
        ("https://up-d.lite.gallery", "a\u0000", None),
        ("https://up-d.lite.gallery", "..", None),
    ],
)
def test_a_name_is_honest_wherever_it_comes_from(url: str, key: int | str, expected: str | None) -> None:
    """An address or an id may smuggle in what a name may not."""
    photo = read_one(name="", url=url, id=key)
    check_honest(photo)
    assert expected in (None, photo.name)


def test_a_long_name_keeps_its_ending() -> None:
    """300 characters are cut before the ending; what is no ending is cut as well."""
    assert read_one(name="x" * 300 + ".jpeg").name == "x" * 250 + ".jpeg"
    assert read_one(name="ф" * 300 + ".jpg").name == "ф" * 251 + ".jpg"
    assert read_one(name="x" * 300).name == "x" * 255
    assert read_one(name="x" * 300 + "." + "y" * 50).name == "x" * 255
    assert read_one(name="x" * 251 + ".jpg").name == "x" * 251 + ".jpg"
    assert read_one(name="A" * 300 + "/c.jpg").album == ("A" * 255,)


def test_albums_end_before_drive_does() -> None:
    """Drive takes a hundred levels; nobody has made so many on purpose."""
    assert read_one(name="a/" * 300 + "c.jpg").album == ("a",) * MAX_ALBUM_DEPTH


@pytest.mark.parametrize(
    ("crc", "expected"),
    [
        ("e7b057b2", 0xE7B057B2),
        ("E7B057B2", 0xE7B057B2),
        ("00ab12cd", 0xAB12CD),
        ("AB12CD", 0xAB12CD),
        ("0", 0),
        ("00000000", 0),
        ("12345678", 0x12345678),
        (" e7b057b2 ", 0xE7B057B2),
        ("-", None),
        ("", None),
        (None, None),
        (0, None),
        ("0xe7b057b2", None),
        ("e7b057b2f", None),
        ("not hex", None),
        ("१२३", None),
        (["e7b057b2"], None),
    ],
)
def test_a_crc_in_every_form(crc: Any, expected: int | None) -> None:
    """Hex of any case and length; where it is not known the photo is a photo all the same."""
    assert read_one(crc=crc).crc32 == expected


def test_a_crc_may_be_missing() -> None:
    """The field itself as well."""
    (photo,) = read({name: value for name, value in SEED.items() if name != "crc"}).photos.values()
    assert photo.crc32 is None


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("2024-08-17 12:54:32 +0300", datetime(2024, 8, 17, 9, 54, 32, tzinfo=UTC)),
        ("2024-08-17 12:54:32 -1130", datetime(2024, 8, 18, 0, 24, 32, tzinfo=UTC)),
        (" 2024-08-17 12:54:32 +0000 ", datetime(2024, 8, 17, 12, 54, 32, tzinfo=UTC)),
        ("1826-01-01 00:00:00 +0000", datetime(1826, 1, 1, tzinfo=UTC)),
        ("2024-02-30 12:54:32 +0300", None),
        ("17.08.2024", None),
        ("", None),
        (None, None),
        ("0001-01-01 00:00:00 +0300", None),
        ("9999-12-31 23:59:59 -0300", None),
    ],
)
def test_a_date_or_none(listed: Any, expected: datetime | None) -> None:
    """A photo without a usable date is still a photo; every date that is taken has a moment in UTC."""
    photo = read_one(created_at=listed)
    assert photo.taken_at == expected
    assert photo.taken_at is None or format_time(photo.taken_at).endswith("Z")


@pytest.mark.parametrize(
    ("listed", "size"),
    [(0, 0), (1, 1), ("268756", 268756), (" 7 ", 7), (268756.0, 268756), (2**50 - 1, 2**50 - 1)],
)
def test_a_size(listed: Any, size: int) -> None:
    """Zero is one; a text of digits is one; some encoders of JSON have no whole numbers."""
    assert read_one(filesize=listed).size == size


def test_an_id_is_the_same_however_its_number_is_written() -> None:
    """Another encoder of JSON makes no other photo of it."""
    assert read(SEED, {**SEED, "id": float(SEED["id"])}).photos == {"49851973": read_one()}


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"filesize": -1}, "filesize"),
        ({"filesize": 1.5}, "filesize"),
        ({"filesize": None}, "filesize"),
        ({"filesize": "many"}, "filesize"),
        ({"filesize": True}, "filesize"),
        ({"filesize": 2**50}, "filesize"),
        ({"id": None}, "id"),
        ({"id": ""}, "id"),
        ({"id": 1.5}, "id"),
        ({"id": True}, "id"),
        ({"id": {}}, "id"),
        ({"url": None}, "url"),
        ({"url": ""}, "url"),
        ({"url": "/relative.jpg"}, "url"),
        ({"url": "ftp://up-d.lite.gallery/a.jpg"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "https://[::bad/a.jpg"}, "url"),
        ({"url": "https://up-d.lite.gallery:99999/a.jpg"}, "url"),
        ({"name": None}, "name"),
        ({"name": 7}, "name"),
    ],
)
def test_an_entry_nobody_can_copy_is_counted_with_its_reason(change: dict[str, Any], detail: str) -> None:
    """It never spoils the others, and is named as it was listed."""
    manifest = read({**SEED, **change}, {**SEED, "id": 2})
    assert list(manifest.photos) == ["2"]
    (failure,) = manifest.unusable
    assert failure.reason == Reason.UNREADABLE_ENTRY
    assert failure.name == ("" if "name" in change else SEED["name"])
    assert detail in failure.detail


@pytest.mark.parametrize("entry", [None, 7, "x", [], [SEED], {}, True])
def test_an_entry_that_is_no_entry(entry: Any) -> None:
    """Anything may stand in a list."""
    manifest = read(entry, SEED)
    assert [len(manifest.photos), len(manifest.unusable)] == [1, 1]


@pytest.mark.parametrize("missing", ["id", "url", "name", "filesize"])
def test_an_entry_that_lacks_a_field(missing: str) -> None:
    """What cannot be guessed is not guessed."""
    manifest = read({name: value for name, value in SEED.items() if name != missing})
    assert (manifest.photos, [failure.reason for failure in manifest.unusable]) == ({}, [Reason.UNREADABLE_ENTRY])


def test_an_address_is_written_as_addresses_are() -> None:
    """Blanks and Cyrillic letters are encoded, what is encoded stays, and the query with it."""
    photo = read_one(url="https://up-d.lite.gallery/Фото 1/a%20b.jpg?sig=a/b%3D")
    assert photo.url == "https://up-d.lite.gallery/%D0%A4%D0%BE%D1%82%D0%BE%201/a%20b.jpg?sig=a/b%3D"


@settings(deadline=None)
@given(
    st.from_regex(r"https?://[a-z0-9.-]{1,20}(:\d{1,5})?[\w.~/?%:@!$'|\\ -]{0,20}", fullmatch=True)
    | st.text("/.?%2FfaA#:@[", max_size=15).map(lambda rest: f"https://h.example/{rest}")
)
@example("https://h.example/100%.jpg")
@example("https://h.example/a/../b.jpg")
@example("https://h.example/a%2fb.jpg")
@example("https://h.example")
def test_an_address_that_needs_no_writing_is_left_as_it_is(url: str) -> None:
    """Most are not looked at any further; they are just what urllib3 would make of them."""
    try:
        written = parse_url(url)
    except LocationParseError:
        written = Url()
    manifest = read({**SEED, "url": url})
    assert [photo.url for photo in manifest.photos.values()] == ([written.url] if written.host else [])


def test_one_photo_listed_twice_is_one() -> None:
    """Also where the id is once a number and once a text."""
    assert read(SEED, SEED, {**SEED, "id": "49851973"}).photos == {"49851973": read_one()}


def test_two_photos_of_one_id_are_two() -> None:
    """Each has a key of its own that does not depend on the list's order; all arrive."""
    entries = [{**SEED, "name": name} for name in ("b.jpg", "a.jpg", "c.jpg")]
    keys = {photo.name: photo.key for photo in read(*entries).photos.values()}
    assert len(set(keys.values())) == 3
    assert "49851973" in keys.values()
    assert {photo.name: photo.key for photo in read(*reversed(entries)).photos.values()} == keys


def test_one_photo_under_two_signatures_is_one() -> None:
    """Its address is signed anew each time; it is listed twice, and at the next reading once more."""
    entries = [{**SEED, "url": f"{SEED['url']}?sig={number}"} for number in (2, 1)]
    (photo,) = read(*entries).photos.values()
    assert photo == read_one(url=f"{SEED['url']}?sig=1")
    assert list(read(*reversed(entries)).photos.values()) == [photo]


def test_keys_do_not_depend_on_signatures() -> None:
    """Two photos of one id stay the same two, whatever their addresses are signed with by now."""
    keys = [
        {photo.name: photo.key for photo in read(*entries).photos.values()}
        for entries in ([{**SEED, "name": name, "url": f"{SEED['url']}?{sig}"} for name in ("b", "a")] for sig in "xy")
    ]
    assert keys[0] == keys[1]
    assert len(set(keys[0].values())) == 2


def test_what_only_a_query_tells_apart_is_two_where_nothing_proves_it_one() -> None:
    """Rather a photo twice than none."""
    entries = [{**SEED, "crc": "-", "url": f"{SEED['url']}?photo={number}"} for number in (1, 2)]
    assert len(read(*entries).photos) == 2


def test_two_photos_of_one_name_are_two() -> None:
    """Cameras count from 0001 again."""
    photos = read(SEED, {**SEED, "id": 2, "crc": "-"}).photos.values()
    assert [(photo.album, photo.name) for photo in photos] == [(("Photos 1",), "Test_011.jpg")] * 2


@pytest.mark.parametrize("key", ["x" * 65, "ключ", "a\nb", "😀", "\ud800"])
def test_a_key_clouds_cannot_carry_is_replaced(key: str) -> None:
    """By something short and plain that is the same every time."""
    photo = read_one(id=key)
    check_key(photo)
    assert photo.key != key
    assert read_one(id=key).key == photo.key


def test_the_lists_order_is_kept() -> None:
    """Guests see their first photos first."""
    assert list(read(*({**SEED, "id": number} for number in (3, 1, 2))).photos) == ["3", "1", "2"]


def check_honest(photo: Photo) -> None:
    """A name is 1 to 255 characters, none of them a slash or a control character, and never leads elsewhere."""
    assert len(photo.album) <= MAX_ALBUM_DEPTH
    for part in (*photo.album, photo.name):
        assert 1 <= len(part) <= MAX_NAME_LENGTH
        assert "/" not in part
        assert part not in (".", "..")
        assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in part)


def check_key(photo: Photo) -> None:
    """A key is short and plain."""
    assert 1 <= len(photo.key) <= MAX_KEY_LENGTH
    assert photo.key.isascii()
    assert photo.key.isprintable()


NAMES = st.one_of(st.text(), st.text("/. \n\\ab\ud800", max_size=12), st.text("x./", min_size=250, max_size=600))
FIELDS = {
    "id": st.one_of(st.integers(-5, 5), st.text(max_size=3), st.text(min_size=60, max_size=70)),
    "name": NAMES,
    "url": st.one_of(
        st.just(SEED["url"]), st.text(), st.text("%2F.:/?@#[]a", max_size=15).map(lambda rest: f"https://h{rest}")
    ),
    "filesize": st.one_of(st.integers(), st.text("0123456789", max_size=5)),
    "crc": st.one_of(st.none(), st.text("0123abcdef-", max_size=9)),
    "created_at": st.one_of(st.text(), st.datetimes().map(lambda date: f"{date:%Y-%m-%d %H:%M:%S} +0300")),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*FIELDS, "x"]), inner, max_size=6),
    max_leaves=12,
)
ENTRIES = st.fixed_dictionaries({}, optional={name: st.one_of(value, JSON) for name, value in FIELDS.items()})
SOUND_ENTRIES = st.fixed_dictionaries({**FIELDS, "url": st.just(SEED["url"]), "filesize": st.integers(0, 3)})
RELAXED = settings(deadline=None)


def encode(content: Any) -> bytes:
    """Return content as JSON that may hold halves of characters, as foreign JSON may."""
    return json.dumps(content).encode()


@RELAXED
@given(st.one_of(JSON.map(encode), st.binary(max_size=50)))
def test_any_list_is_read_or_refused(body: bytes) -> None:
    """Nothing but Transient ever comes out."""
    try:
        manifest = read_manifest(body)
    except Transient:
        return
    assert isinstance(manifest, Manifest)


@st.composite
def spoilt_lists(draw: st.DrawFn) -> bytes:
    """A list in any encoding, spread or dense, of which some characters were lost, doubled or replaced."""
    entries = draw(st.lists(st.one_of(SOUND_ENTRIES, JSON), max_size=3))
    text = json.dumps(entries, indent=draw(st.sampled_from([None, 1])), ensure_ascii=draw(st.booleans()))
    for _ in range(draw(st.integers(0, 2))):
        at, length = draw(st.integers(0, len(text))), draw(st.integers(0, 2))
        text = text[:at] + draw(st.text('[]{},:"\\ \n\t\x00\ufeff17eN-', max_size=2)) + text[at + length :]
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"]))
    return text.encode(encoding, "surrogatepass")


@settings(RELAXED, max_examples=400)
@given(spoilt_lists())
@example(b"[]")
@example(b" [ ] ")
@example(b"[,]")
@example(b"[7,]")
@example(b"[7 7]")
@example(b"[7][7]")
@example(b"[7]\x0b")
@example(b"[NaN, Infinity]")
@example(b"[" + b"9" * 5000 + b"]")
@example(b"\xef\xbb\xbf\xef\xbb\xbf[]")
@example(b'["\xed\xa0\x80", "\\ud800"]')
def test_a_list_is_what_a_plain_reading_says(body: bytes) -> None:
    """Entry by entry as all at once: the same lists are refused, and the same entries come of the others."""
    try:
        entries = json.loads(body)
        detail = "the list is not a JSON array"
    except ValueError:
        entries, detail = None, "the list is not JSON"
    if isinstance(entries, list):
        assert read_manifest(body) == read_manifest(encode(entries))
        return
    with pytest.raises(Transient) as raised:
        read_manifest(body)
    assert raised.value.detail == detail


@pytest.mark.parametrize("broken", ["{", "", "7 7", '"\\x"', "]", "nul", "[" * 100_000], ids=range(7))
def test_a_list_that_breaks_late_is_no_list(broken: str) -> None:
    """Photos that were read before are not taken for all there are: the rest would never arrive."""
    with pytest.raises(Transient):
        read_manifest(f"[{json.dumps(SEED)}, {broken}]".encode())


def test_photos_hold_no_album_and_time_zone_of_their_own() -> None:
    """Thousands of photos are in few of them, which took a quarter of a list's memory."""
    first, second = read(SEED, {**SEED, "id": 2}).photos.values()
    assert first.album is second.album
    assert first.taken_at
    assert second.taken_at
    assert first.taken_at.tzinfo is second.taken_at.tzinfo


@pytest.mark.parametrize(
    ("first", "second"),
    [("и\u0306.jpg", "й.jpg"), ("A.JPG", "a.jpg"), ("a\u200b.jpg", "a.jpg"), ("\u202ea.jpg", "a.jpg"), ("ﬁ", "fi")],
)
def test_names_that_look_alike_are_two_names(first: str, second: str) -> None:
    """Each photo is there under the name it was listed with, and is one by its id, whatever it is called."""
    photos = read({**SEED, "name": first}, {**SEED, "name": second, "id": 2}).photos
    assert {key: photo.name for key, photo in photos.items()} == {"49851973": first, "2": second}


def test_an_id_may_have_any_number_of_digits() -> None:
    """Up to what any JSON reader takes; it stays short for clouds."""
    photo = read_one(id=10**4000)
    check_key(photo)
    assert photo == read_one(id="1" + "0" * 4000)


def test_a_list_takes_little_more_memory_than_its_photos() -> None:
    """Its entries are never there all at once: that took twice what is left at the end, body not counted."""
    body = encode([{**SEED, "id": number, "filesize": 1000 + number} for number in range(2000)])
    tracemalloc.start()
    try:
        manifest = read_manifest(body)
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(manifest.photos) == 2000
    assert peak < 1.6 * left


@settings(RELAXED, max_examples=150)
@given(st.lists(st.one_of(ENTRIES, SOUND_ENTRIES, JSON), max_size=6))
def test_any_entry_is_read_or_counted(entries: list[Any]) -> None:
    """Every entry is a photo under an honest name, the same photo as another entry, or a failure on one line."""
    manifest = read_manifest(encode(entries))
    assert len(manifest.photos) + len(manifest.unusable) <= len(entries)
    assert bool(entries) == bool(manifest.photos or manifest.unusable)
    for photo in manifest.photos.values():
        check_honest(photo)
        check_key(photo)
        assert photo.size >= 0
        assert photo.crc32 is None or 0 <= photo.crc32 < 2**32
        assert photo.taken_at is None or format_time(photo.taken_at)
        photo.url.encode("ascii")
    for failure in manifest.unusable:
        assert failure.detail
        assert len(failure.name) <= MAX_NAME_LENGTH
        assert not any(unicodedata.category(char) == "Cc" for char in failure.name)
    assert [photo.key for photo in manifest.photos.values()] == list(manifest.photos)


@settings(RELAXED, max_examples=150)
@given(
    st.lists(SOUND_ENTRIES, max_size=6).flatmap(lambda entries: st.tuples(st.just(entries), st.permutations(entries)))
)
def test_keys_do_not_depend_on_the_order(lists: tuple[list[Any], list[Any]]) -> None:
    """The same gallery read again, in whatever order, is the same photos."""
    first, second = (set(read_manifest(encode(entries)).photos.values()) for entries in lists)
    assert first == second


def test_reading_a_list_imports_nothing() -> None:
    """Lists are read on many threads, and modules that import one another may be found half made by a second thread."""
    code = (
        "import sys, worker.gallery.manifest as manifest; before = set(sys.modules); "
        """manifest.read_manifest(b'[{"id": 1, "url": "https://a.b/c d", "name": "a", "filesize": 1}]'); """
        "print([name for name in set(sys.modules) - before if name.startswith('urllib3')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == "[]\n"
