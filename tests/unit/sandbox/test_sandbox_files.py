"""Metadata of the pretend Drive: what may be written, seen, listed and asked."""

from typing import Any

import pytest

from sandbox import World
from tests.unit.sandbox.bare_api import FOLDER, Api


def reason(reply: Any) -> tuple[int, str]:
    """Return status and reason of an error."""
    return reply.status_code, reply.json()["error"]["errors"][0]["reason"]


def test_create_answers_the_usual_fields(api: Api, world: World) -> None:
    """Without `fields` a file is told by kind, id, name and type; parents and times have their defaults."""
    told = api.create({"name": "F", "mimeType": FOLDER}).json()
    folder = world.drive.account().folders()[0]
    assert told == {"kind": "drive#file", "id": folder.id, "name": "F", "mimeType": FOLDER}
    assert folder.parent == world.drive.account().root


def test_same_name_twice_makes_two(api: Api, world: World) -> None:
    """Names are not unique."""
    for _ in range(2):
        api.create({"name": "F", "mimeType": FOLDER})
    assert [each.name for each in world.drive.account().folders()] == ["F", "F"]


def test_times_are_kept_to_a_millisecond_in_utc(api: Api) -> None:
    """What is written in any zone is told in UTC."""
    body = {"name": "a", "createdTime": "2024-08-17T12:54:32.123456+03:00", "modifiedTime": "2024-08-17T09:54:32Z"}
    told = api.create(body, fields="createdTime,modifiedTime").json()
    assert told == {"createdTime": "2024-08-17T09:54:32.123Z", "modifiedTime": "2024-08-17T09:54:32.000Z"}


@pytest.mark.parametrize("time", ["2024-08-17 12:54:32 +0300", "2024-08-17T12:54:32", "yesterday", 5])
def test_time_of_another_form_is_refused(api: Api, time: Any) -> None:
    """The gallery's own form, and times without a zone, are not RFC 3339."""
    assert reason(api.create({"name": "a", "createdTime": time})) == (400, "invalid")


def test_numbers_are_strings_and_folders_have_no_content(api: Api) -> None:
    """int64 is a string; sums and size belong to files only."""
    fields = "size,md5Checksum,quotaBytesUsed,version"
    folder = api.create({"name": "F", "mimeType": FOLDER}, fields=fields).json()
    assert folder == {"version": "1", "quotaBytesUsed": "0"}
    file = api.put(api.open(3, fields=fields), b"abc").json()
    assert file["size"] == "3"
    assert isinstance(file["version"], str)


def test_octets_get_a_type_from_their_name(api: Api) -> None:
    """A type of application/octet-stream is detected anew."""
    session = api.open(1, {"name": "a.jpg", "mimeType": "application/octet-stream"}, fields="mimeType")
    assert api.put(session, b"x").json() == {"mimeType": "image/jpeg"}


def test_app_properties_belong_to_the_client(api: Api, other_api: Api, world: World) -> None:
    """Another client of the same guest sees neither the file nor the properties."""
    file = api.create({"name": "a", "appProperties": {"k": "v"}}, fields="id,appProperties").json()
    assert file["appProperties"] == {"k": "v"}
    assert reason(other_api.call("GET", f"/drive/v3/files/{file['id']}")) == (404, "notFound")
    assert other_api.files().json()["files"] == []


def test_properties_are_limited(api: Api, world: World) -> None:
    """124 bytes of key and value in UTF-8, 30 of a kind; more is refused and remembered."""
    assert api.create({"name": "a", "appProperties": {"k": "v" * 123}}).status_code == 200
    assert api.create({"name": "a", "appProperties": {"k": "я" * 62}}).status_code == 400
    assert api.create({"name": "a", "appProperties": {str(n): "" for n in range(31)}}).status_code == 400
    assert len(world.violations) == 2


def test_null_takes_a_property_away(api: Api) -> None:
    """An update merges properties."""
    file = api.create({"name": "a", "appProperties": {"k": "v", "l": "w"}}).json()["id"]
    reply = api.call(
        "PATCH", f"/drive/v3/files/{file}", {"fields": "appProperties"}, json={"appProperties": {"k": None}}
    )
    assert reply.json() == {"appProperties": {"l": "w"}}


def test_two_parents_are_a_violation(api: Api, world: World) -> None:
    """A file stands in one place."""
    assert api.create({"name": "a", "parents": ["root", "root"]}).status_code == 400
    assert ["more than one parent" in each for each in world.violations] == [True]


def test_unknown_or_foreign_parent_is_404(api: Api, other_api: Api, world: World) -> None:
    """Neither what is not there nor what another made can be a parent, at initiation as for folders."""
    foreign = other_api.create({"name": "F", "mimeType": FOLDER}).json()["id"]
    for parent in ("nothing", foreign, world.drive.account().add_folder("by hand").id):
        assert reason(api.create({"name": "a", "parents": [parent]})) == (404, "notFound")
        assert reason(api.initiate({"name": "a", "parents": [parent]})) == (404, "notFound")


def test_parent_that_vanished_is_404_at_the_last_byte(api: Api, world: World) -> None:
    """A folder deleted under a session is found out at its end."""
    folder = api.create({"name": "F", "mimeType": FOLDER}).json()["id"]
    session = api.open(1, {"name": "a", "parents": [folder]})
    world.drive.account().delete(folder)
    assert reason(api.put(session, b"x")) == (404, "notFound")


def test_root_is_a_parent_but_no_file(api: Api) -> None:
    """Under drive.file the alias works in parents and q, not in files.get."""
    file = api.create({"name": "a", "parents": ["root"]}).json()["id"]
    assert [each["id"] for each in api.files(q="'root' in parents").json()["files"]] == [file]
    assert reason(api.call("GET", "/drive/v3/files/root")) == (404, "notFound")


def test_full_scope_sees_the_root_and_everything(world: World) -> None:
    """With the whole drive granted nothing is hidden, but My Drive itself can't be deleted."""
    file = world.drive.account().add("by hand.jpg", b"x")
    api = Api(world, scope="https://www.googleapis.com/auth/drive")
    with api.session:
        assert [each["id"] for each in api.files().json()["files"]] == [file.id]
        assert api.call("GET", "/drive/v3/files/root").json()["id"] == world.drive.account().root
        assert api.call("DELETE", "/drive/v3/files/root").status_code == 403


def test_update_renames_moves_and_trashes(api: Api, world: World) -> None:
    """One parent goes, another comes; what is in a folder is trashed with it."""
    one, two = (api.create({"name": name, "mimeType": FOLDER}).json()["id"] for name in ("one", "two"))
    file = api.put(api.open(1, {"name": "a.jpg", "parents": [one]}), b"x").json()["id"]
    url = f"/drive/v3/files/{file}"
    assert reason(api.call("PATCH", url, {"addParents": two}, json={})) == (403, "cannotAddParent")
    api.call("PATCH", url, {"addParents": two, "removeParents": one}, json={"name": "b.jpg"})
    assert [path for path, _, _ in world.drive.account().tree()] == ["two/b.jpg"]
    api.call("PATCH", f"/drive/v3/files/{two}", json={"trashed": True})
    told = api.call("GET", url, {"fields": "trashed,explicitlyTrashed"}).json()
    assert told == {"trashed": True, "explicitlyTrashed": False}
    assert world.drive.account().tree() == []


@pytest.mark.parametrize("field", ["createdTime", "id", "parents"])
def test_some_fields_are_written_once(api: Api, field: str) -> None:
    """Birth, id and place can't be changed by an update's body."""
    file = api.create({"name": "a"}).json()["id"]
    values = {"createdTime": "2024-08-17T09:54:32Z", "id": file, "parents": ["root"]}
    reply = api.call("PATCH", f"/drive/v3/files/{file}", json={field: values[field]})
    assert reason(reply) == (403, "fieldNotWritable")


def test_delete_takes_a_folder_with_all_in_it(api: Api, world: World) -> None:
    """204, an empty page, no bin."""
    folder = api.create({"name": "F", "mimeType": FOLDER}).json()["id"]
    api.put(api.open(1, {"name": "a.jpg", "parents": [folder]}), b"x")
    reply = api.call("DELETE", f"/drive/v3/files/{folder}")
    assert (reply.status_code, reply.content, reply.headers["Content-Type"]) == (204, b"", "text/html; charset=utf-8")
    assert world.drive.account().items == {}


def test_media_is_served_with_ranges(api: Api) -> None:
    """alt=media gives the bytes, or a piece of them; folders have none."""
    file = api.put(api.open(5), b"abcde").json()["id"]
    url = f"/drive/v3/files/{file}"
    assert api.call("GET", url, {"alt": "media"}).content == b"abcde"
    piece = api.call("GET", url, {"alt": "media"}, headers={"Range": "bytes=1-2"})
    assert (piece.status_code, piece.content, piece.headers["Content-Range"]) == (206, b"bc", "bytes 1-2/5")
    folder = api.create({"name": "F", "mimeType": FOLDER}).json()["id"]
    assert reason(api.call("GET", f"/drive/v3/files/{folder}", {"alt": "media"})) == (403, "fileNotDownloadable")


def test_guests_copies_keep_what_apps_left(api: Api, world: World) -> None:
    """A folder is copied with all in it, under other ids; the app sees the copies; they live on by themselves."""
    folder = api.create({"name": "A", "mimeType": FOLDER, "appProperties": {"mark": "a"}}).json()["id"]
    file = api.create({"name": "a.jpg", "parents": [folder], "appProperties": {"mark": "b"}}).json()["id"]
    account = world.drive.account()
    copy = account.copy(folder, name="B")
    assert sorted(path for path, _, _ in account.tree()) == ["A/a.jpg", "B/a.jpg"]
    account.copy(file, account.root, "top.jpg")
    api.call("PATCH", f"/drive/v3/files/{file}", json={"appProperties": {"mark": None}})
    listed = api.files(fields="files(id,name,appProperties)").json()["files"]
    marks = sorted((each["name"], each.get("appProperties", {}).get("mark")) for each in listed if each["id"] != file)
    assert marks == [("A", "a"), ("B", "a"), ("a.jpg", "b"), ("top.jpg", "b")]
    assert copy.id != folder
