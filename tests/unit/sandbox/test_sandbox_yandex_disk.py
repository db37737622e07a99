"""The pretend Disk's API: who may ask, folders, lists, properties, removal, moves."""

from typing import Any

import pytest

from sandbox import World
from sandbox.faults.plan import Fault
from tests.unit.sandbox.bare_disk import DiskApi, error

READ, WRITE, INFO = "cloud_api:disk.read", "cloud_api:disk.write", "cloud_api:disk.info"


def test_room_is_told_in_numbers(world: World, disk_api: DiskApi) -> None:
    """Mail and the bin take their share; without a limit there is plenty."""
    account = world.yandex.account()
    assert disk_api.call("GET", "").json()["total_space"] > 10**12
    account.limit, account.used_elsewhere = 1000, 300
    account.add("a.jpg", b"x" * 50)
    account.trash(account.add("b.jpg", b"y" * 7).id)
    told = disk_api.call("GET", "/", {"fields": "total_space,used_space,trash_size,max_file_size,user.login"}).json()
    assert told == {
        "total_space": 1000,
        "used_space": 357,
        "trash_size": 7,
        "max_file_size": 1024**3,
        "user": {"login": "guest"},
    }


@pytest.mark.parametrize("header", [None, "Bearer {}", "OAuth unknown", "{}"])
def test_token_must_come_under_its_own_scheme(world: World, disk_api: DiskApi, header: str | None) -> None:
    """No token, another scheme, an unknown token: 401 and a violation."""
    given = header.format(disk_api.token.text) if header else None
    assert error(disk_api.call("GET", "", headers={"Authorization": given})) == (401, "UnauthorizedError")
    assert len(world.violations) == 1


def test_bearer_can_be_allowed(world: World, disk_api: DiskApi) -> None:
    """Nobody promises it, some clients use it."""
    world.yandex.accepts_bearer = True
    headers = {"Authorization": f"Bearer {disk_api.token.text}"}
    assert disk_api.call("GET", "", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("right", "allowed"), [(READ, ["get"]), (WRITE, ["mkdir", "link"]), (INFO, ["room"]), ("other", [])]
)
def test_rights(world: World, right: str, allowed: list[str]) -> None:
    """Reading, writing and asking for room are three."""
    api = DiskApi(world, right)
    with api.session:
        replies = {
            "get": api.get("disk:/"),
            "mkdir": api.mkdir("disk:/A"),
            "link": api.link("disk:/a.jpg"),
            "room": api.call("GET", ""),
        }
    assert [name for name, reply in replies.items() if reply.status_code < 300] == allowed
    assert {error(reply) for reply in replies.values() if reply.status_code >= 300} == {(403, "ForbiddenError")}


def test_account_without_a_disk(world: World, disk_api: DiskApi) -> None:
    """Nothing can be asked."""
    world.yandex.account().unsupported = True
    expected = (403, "DiskUnsupportedUserAccountTypeError")
    assert [error(disk_api.call("GET", "")), error(disk_api.link("disk:/a"))] == [expected, expected]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Accept": "text/html"}, (406, "NotAcceptableError")),
        ({"Content-Type": "text/plain"}, (415, "UnsupportedMediaTypeError")),
    ],
)
def test_only_json(world: World, disk_api: DiskApi, headers: dict[str, str], expected: tuple[int, str]) -> None:
    """Other media types are refused and noted; a type without a body does not matter."""
    body = {"custom_properties": {}}
    assert error(disk_api.call("PATCH", "/resources", {"path": "disk:/"}, json=body, headers=headers)) == expected
    assert len(world.violations) == 1
    assert disk_api.call("GET", "", headers={"Content-Type": "text/plain"}).status_code == 200


def test_unknown_parameters_are_noted(world: World, disk_api: DiskApi) -> None:
    """And passed over."""
    assert disk_api.get("disk:/", recursive="true").status_code == 200
    assert [breach.partition(":")[0] for breach in world.violations] == ["unknown query parameter recursive"]
    assert error(disk_api.call("GET", "/nothing")) == (404, "DiskNotFoundError")


def test_folders_are_made_one_level_at_a_time(disk_api: DiskApi) -> None:
    """201 and a link; three kinds of 409."""
    reply = disk_api.mkdir("disk:/Свадьба: 1")
    assert (reply.status_code, reply.json()["method"], reply.json()["templated"]) == (201, "GET", False)
    headers = {"Authorization": f"OAuth {disk_api.token.text}"}
    assert disk_api.session.get(reply.json()["href"], headers=headers, timeout=10).json()["name"] == "Свадьба: 1"
    assert error(disk_api.mkdir("disk:/Свадьба: 1/")) == (409, "DiskPathPointsToExistentDirectoryError")
    assert error(disk_api.mkdir("disk:/A/B")) == (409, "DiskPathDoesntExistsError")
    disk_api.upload("disk:/a.jpg")
    assert error(disk_api.mkdir("disk:/a.jpg")) == (409, "DiskResourceAlreadyExistsError")
    assert error(disk_api.mkdir("disk:/a.jpg/B")) == (409, "DiskPathDoesntExistsError")
    assert error(disk_api.mkdir("disk:/")) == (409, "DiskPathPointsToExistentDirectoryError")


@pytest.mark.parametrize(
    ("path", "status", "noted"),
    [
        ("disk:/" + "n" * 255, 201, False),
        ("disk:/" + "n" * 256, 400, True),
        ("disk:/" + "я" * 255, 201, False),
        ("/Album", 201, False),
        ("Album", 201, False),
        ("/Album: 1", 404, True),
        ("disk:/Album: 1", 201, False),
        ("disk:/a//b", 400, True),
        ("disk:/..", 400, True),
        ("disk:/a\x01", 400, True),
        ("", 400, True),
    ],
)
def test_paths(world: World, disk_api: DiskApi, path: str, status: int, noted: bool) -> None:
    """Names of 255 characters, no scheme without need, no colon without scheme, nothing odd."""
    reply = disk_api.mkdir(path)
    assert (reply.status_code, bool(world.violations)) == (status, noted)


@pytest.mark.parametrize(("characters", "status"), [(32_760, 409), (32_761, 400)])
def test_longest_path(disk_api: DiskApi, characters: int, status: int) -> None:
    """32,760 characters, the scheme included; one more is refused before anybody looks for the parent."""
    path = "disk:/" + "/ab" * ((characters - 6) // 3) + "c" * ((characters - 6) % 3)
    assert len(path) == characters
    assert disk_api.call("PUT", f"/resources?path={path}").status_code == status


def test_file_as_it_is_told(disk_api: DiskApi) -> None:
    """Sizes are numbers, sums are hex, types go by the name."""
    disk_api.upload("disk:/a.mp4", b"hello")
    told = disk_api.get("disk:/a.mp4").json()
    expected = {
        "name": "a.mp4",
        "path": "disk:/a.mp4",
        "type": "file",
        "size": 5,
        "md5": "5d41402abc4b2a76b9719d911017c592",
        "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        "mime_type": "video/mp4",
        "media_type": "video",
    }
    assert {name: told[name] for name in expected} == expected
    assert "_embedded" not in told
    assert error(disk_api.get("disk:/b.mp4")) == (404, "DiskNotFoundError")


@pytest.fixture
def filled(disk_api: DiskApi) -> DiskApi:
    """A folder with five files and a folder in it."""
    disk_api.mkdir("disk:/G")
    for number in range(5):
        disk_api.upload(f"disk:/G/{number}.jpg", b"x" * (10 - number))
    disk_api.mkdir("disk:/G/sub")
    return disk_api


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg", "sub"]),
        ({"limit": 2}, ["0.jpg", "1.jpg"]),
        ({"limit": 2, "offset": 4}, ["4.jpg", "sub"]),
        ({"limit": 0}, []),
        ({"sort": "-name", "limit": 2}, ["sub", "4.jpg"]),
        ({"sort": "size", "limit": 3}, ["sub", "4.jpg", "3.jpg"]),
        ({"sort": "path", "limit": 1}, ["0.jpg"]),
    ],
)
def test_pages(filled: DiskApi, query: dict[str, Any], names: list[str]) -> None:
    """Limit, offset and sort; the total is that of all."""
    inside = filled.get("disk:/G", **query).json()["_embedded"]
    assert (inside["total"], inside["path"]) == (6, "disk:/G")
    assert [each["name"] for each in inside["items"]] == names


def test_usual_page_has_twenty_and_the_largest_may_be_less_than_asked(world: World, filled: DiskApi) -> None:
    """Whoever asks for a thousand may get fewer, and is told."""
    assert filled.get("disk:/G").json()["_embedded"]["limit"] == 20
    world.yandex.max_items = 4
    inside = filled.get("disk:/G", limit=1000).json()["_embedded"]
    assert (inside["limit"], len(inside["items"]), inside["total"]) == (4, 4, 6)


@pytest.mark.parametrize("query", [{"limit": "-1"}, {"offset": "x"}, {"sort": "colour"}])
def test_bad_pages(filled: DiskApi, query: dict[str, str]) -> None:
    """400."""
    assert error(filled.get("disk:/G", **query)) == (400, "FieldValidationError")


def test_fields(filled: DiskApi) -> None:
    """Only what is named, at any depth; unknown names are passed over."""
    told = filled.get("disk:/G", limit=1, fields="name, _embedded.items.size,_embedded.total,nothing.at.all").json()
    assert told == {"name": "G", "_embedded": {"items": [{"size": 10}], "total": 6}}


def test_properties(disk_api: DiskApi) -> None:
    """They are merged; null removes; they stand in lists, too."""
    disk_api.upload()
    assert disk_api.patch("disk:/a.jpg", {"custom_properties": {"k": "v", "n": 1}}).status_code == 200
    told = disk_api.patch("disk:/a.jpg", {"custom_properties": {"n": None, "m": "w"}}).json()
    assert told["custom_properties"] == {"k": "v", "m": "w"}
    assert disk_api.get("disk:/").json()["_embedded"]["items"][0]["custom_properties"] == {"k": "v", "m": "w"}
    assert error(disk_api.patch("disk:/b.jpg", {"custom_properties": {}})) == (404, "DiskNotFoundError")


def test_properties_have_room_for_1024_characters(world: World, disk_api: DiskApi) -> None:
    """Of all together, names and quotes included; letters count, not bytes."""
    disk_api.upload()
    most = 1024 - len('{"k":""}')
    assert disk_api.patch("disk:/a.jpg", {"custom_properties": {"k": "ы" * most}}).status_code == 200
    assert world.violations == []
    assert error(disk_api.patch("disk:/a.jpg", {"custom_properties": {"l": ""}})) == (400, "FieldValidationError")
    assert len(world.violations) == 1


@pytest.mark.parametrize(
    "body", [{"modified": "2024-08-17T12:54:32+03:00"}, {"custom_properties": "text"}, {"name": "b.jpg"}, []]
)
def test_nothing_else_can_be_written(world: World, disk_api: DiskApi, body: Any) -> None:
    """Dates and names can't be set."""
    disk_api.upload()
    assert error(disk_api.patch("disk:/a.jpg", body)) == (400, "FieldValidationError")
    assert len(world.violations) == 1


def test_removal(world: World, disk_api: DiskApi) -> None:
    """Into the bin, or for good; what is in the bin takes room and no path."""
    account = world.yandex.account()
    disk_api.mkdir("disk:/G")
    disk_api.upload("disk:/G/a.jpg")
    assert error(disk_api.delete("disk:/G/a.jpg", md5="0" * 32)) == (409, "MD5DifferError")
    reply = disk_api.delete("disk:/G")
    assert (reply.status_code, reply.content, account.used(), account.tree()) == (204, b"", 5, [])
    assert error(disk_api.get("disk:/G/a.jpg")) == (404, "DiskNotFoundError")
    disk_api.upload("disk:/a.jpg")
    assert disk_api.delete("disk:/a.jpg", permanently="true").status_code == 204
    assert account.used() == 5
    assert error(disk_api.delete("disk:/a.jpg")) == (404, "DiskNotFoundError")
    assert error(disk_api.delete("disk:/")) == (400, "FieldValidationError")


def test_moves(world: World, disk_api: DiskApi) -> None:
    """Files and folders, over others if so wished; the id stays."""
    for folder in ("A", "B"):
        disk_api.mkdir(f"disk:/{folder}")
    disk_api.upload("disk:/A/a.jpg", b"one")
    disk_api.upload("disk:/b.jpg", b"two")
    before = disk_api.get("disk:/A/a.jpg").json()["resource_id"]
    assert error(disk_api.move("disk:/A/a.jpg", "disk:/b.jpg")) == (409, "DiskResourceAlreadyExistsError")
    assert error(disk_api.move("disk:/A/a.jpg", "disk:/C/b.jpg")) == (409, "DiskPathDoesntExistsError")
    assert error(disk_api.move("disk:/A/x.jpg", "disk:/c.jpg")) == (404, "DiskNotFoundError")
    assert error(disk_api.move("disk:/A", "disk:/A/A")) == (400, "FieldValidationError")
    assert disk_api.move("disk:/A/a.jpg", "disk:/b.jpg", overwrite="true").status_code == 201
    assert disk_api.get("disk:/b.jpg").json()["resource_id"] == before
    assert disk_api.move("disk:/b.jpg", "disk:/A/a.jpg").json()["href"].endswith("path=disk%3A%2FA%2Fa.jpg")
    assert disk_api.move("disk:/A", "disk:/B/A").status_code == 201
    assert [path for path, _, _ in world.yandex.account().tree()] == ["B/A/a.jpg"]


def test_what_the_guest_does_by_hand_is_seen(world: World, disk_api: DiskApi) -> None:
    """Renamed, moved, put into the bin, deleted."""
    account = world.yandex.account()
    album = account.add_folder("A")
    photo = account.add("a.jpg", b"1", album.id)
    assert disk_api.get("disk:/A/a.jpg").status_code == 200
    account.rename(photo.id, "b.jpg")
    account.rename(album.id, "B")
    assert disk_api.get("disk:/B/b.jpg").status_code == 200
    account.move(photo.id, account.root)
    assert [each.name for each in account.folders()] == ["B"]
    assert disk_api.get("disk:/b.jpg").status_code == 200
    account.trash(photo.id)
    assert disk_api.get("disk:/b.jpg").status_code == 404
    account.trash(photo.id, trashed=False)
    account.delete(album.id)
    assert [path for path, _, _ in account.tree()] == ["b.jpg"]


@pytest.mark.parametrize("comes_along", [True, False])
def test_what_the_guest_copies_by_hand_may_bring_its_properties(
    world: World, disk_api: DiskApi, *, comes_along: bool
) -> None:
    """A folder with everything in it, even into itself; the copy is another item, and looks as old."""
    account = world.yandex.account()
    account.copies_properties = comes_along
    disk_api.mkdir("disk:/A")
    disk_api.upload("disk:/A/a.jpg")
    disk_api.patch("disk:/A/a.jpg", {"custom_properties": {"k": "v"}})
    (folder,) = account.folders()
    copied = account.copy(folder.id, folder.id, "B")
    assert copied.created == folder.created
    told = disk_api.get("disk:/A/B/a.jpg").json()
    assert told.get("custom_properties") == ({"k": "v"} if comes_along else None)
    assert told["resource_id"] != disk_api.get("disk:/A/a.jpg").json()["resource_id"]
    with pytest.raises(ValueError, match="of that name"):
        account.copy(folder.id)


@pytest.mark.parametrize("keeps_properties", [True, False])
def test_what_the_guest_overwrites_by_hand_may_keep_its_properties(
    world: World, disk_api: DiskApi, *, keeps_properties: bool
) -> None:
    """Other bytes under the same path, and the same marks or none."""
    account = world.yandex.account()
    disk_api.upload()
    disk_api.patch("disk:/a.jpg", {"custom_properties": {"k": "v"}})
    account.overwrite(account.files()[0].id, b"other", keeps_properties=keeps_properties)
    told = disk_api.get("disk:/a.jpg").json()
    assert told.get("custom_properties") == ({"k": "v"} if keeps_properties else None)
    assert account.tree() == [("a.jpg", 5, told["md5"])]


@pytest.mark.parametrize("status", [402, 406, 418, 451])
def test_a_refusal_without_a_usual_name(world: World, disk_api: DiskApi, status: int) -> None:
    """Once, at any operation."""
    world.faults.add(Fault("yandex_link", "status", status=status))
    assert disk_api.link("disk:/a.jpg").status_code == status
    assert disk_api.link("disk:/a.jpg").status_code == 200


def test_a_blocked_guest(world: World, disk_api: DiskApi) -> None:
    """Everything is refused by name."""
    world.yandex.account().blocked = True
    assert error(disk_api.get("disk:/")) == (403, "UserIsBlockedError")


@pytest.mark.parametrize("what", ["delete", "move"])
@pytest.mark.parametrize("ends", ["success", "failed"])
def test_operations(world: World, disk_api: DiskApi, what: str, ends: str) -> None:
    """202 and a link; in progress for a while, locked meanwhile, done only then, or not at all."""
    disk_api.upload()
    world.yandex.defers.add(what)
    world.yandex.operations.ends = ends
    reply = disk_api.delete("disk:/a.jpg") if what == "delete" else disk_api.move("disk:/a.jpg", "disk:/b.jpg")
    assert reply.status_code == 202
    assert [path for path, _, _ in world.yandex.account().tree()] == ["a.jpg"]
    target = "disk:/a.jpg" if what == "delete" else "disk:/b.jpg"
    assert error(disk_api.link(target)) == (423, "DiskResourceLockedError")
    operation = reply.json()["href"].rpartition("/")[2]
    assert [disk_api.status(operation) for _ in range(4)] == ["in-progress", "in-progress", ends, ends]
    after = {"delete": [], "move": ["b.jpg"]}[what] if ends == "success" else ["a.jpg"]
    assert [path for path, _, _ in world.yandex.account().tree()] == after


def test_operation_ends_though_nobody_asks(world: World, disk_api: DiskApi) -> None:
    """Some time later; any request then sees it done."""
    disk_api.upload()
    world.yandex.operations.seconds = 0
    assert disk_api.delete("disk:/a.jpg", force_async="true").status_code == 202
    assert disk_api.get("disk:/a.jpg").status_code == 404


def test_operations_are_their_guests_own(world: World, disk_api: DiskApi) -> None:
    """Nobody else finds them."""
    operation = disk_api.open()["operation_id"]
    disk_api.token.login = "another"
    assert error(disk_api.call("GET", f"/operations/{operation}")) == (404, "DiskOperationNotFoundError")


def test_technical_works(world: World, disk_api: DiskApi) -> None:
    """Nothing can be changed, everything read."""
    disk_api.upload()
    world.yandex.read_only = True
    replies = [disk_api.mkdir("disk:/A"), disk_api.link("disk:/b.jpg"), disk_api.delete("disk:/a.jpg")]
    assert [reply.status_code for reply in replies] == [423, 423, 423]
    assert disk_api.get("disk:/a.jpg").status_code == 200


def test_pace(world: World, disk_api: DiskApi) -> None:
    """A small burst passes, then 429; reading is not counted."""
    world.yandex.writes_per_second = 0.5
    assert [disk_api.mkdir(f"disk:/{number}").status_code for number in range(3)] == [201, 429, 429]
    assert error(disk_api.mkdir("disk:/4")) == (429, "TooManyRequestsError")
    assert disk_api.get("disk:/").status_code == 200


def test_files_of_a_cloud_for_another_process(world: World, disk_api: DiskApi) -> None:
    """The control interface lists each cloud's, and knows no others."""
    disk_api.upload()
    replies = {
        cloud: disk_api.session.get(f"{world.gallery.url}/sandbox/{cloud}/guest", timeout=10)
        for cloud in ("drive", "yandex", "nowhere")
    }
    assert replies["drive"].json() == []
    assert replies["yandex"].json() == [["a.jpg", 5, "827ccb0eea8a706c4c34a16891f84e7b"]]
    assert replies["nowhere"].status_code == 404
