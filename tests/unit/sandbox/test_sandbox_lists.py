"""files.list: the language of q, partial responses, pages; and the languages by themselves."""

from typing import Any

import pytest

from sandbox import Fault, World
from sandbox.google.errors import ApiError
from sandbox.google.fields import FILE, FILES, parse, pick
from sandbox.google.query import compile_query
from tests.unit.sandbox.bare_api import FOLDER, Api

ITEM = {
    "name": "It's a \\ Test_1.jpg",
    "mimeType": "image/jpeg",
    "parents": ["F"],
    "trashed": False,
    "starred": True,
    "modifiedTime": "2024-08-17T09:54:32.000Z",
    "createdTime": "2024-08-17T09:54:32.000Z",
    "appProperties": {"k": "v'"},
    "properties": {},
}


@pytest.mark.parametrize(
    "q",
    [
        "'F' in parents",
        "name = 'It\\'s a \\\\ Test_1.jpg'",
        "name != 'x' and mimeType = 'image/jpeg'",
        "name contains 'test'",
        "mimeType contains 'image/'",
        "trashed = false and starred = true",
        "trashed=false and starred != false",
        "not trashed = true",
        "trashed = true or 'F' in parents",
        "trashed = true and starred = true or 'F' in parents",
        "('X' in parents or 'F' in parents) and not (name = 'x')",
        "modifiedTime > '2024-08-17T00:00:00' and createdTime <= '2024-08-17T12:54:32+03:00'",
        "appProperties has { key='k' and value='v\\'' }",
        "appProperties has {key = 'k' and value = 'v\\''} and 'me' in owners",
    ],
)
def test_query_finds(q: str) -> None:
    """A q that is true of the item."""
    assert compile_query(q, "root-id")(ITEM)


@pytest.mark.parametrize(
    "q",
    [
        "'root' in parents",
        "name = 'it\\'s a \\\\ Test_1.jpg'",
        "name contains 'est_1'",
        "trashed = true",
        "modifiedTime < '2024-08-17T09:54:32'",
        "appProperties has { key='k' and value='w' }",
        "properties has { key='k' and value='v\\'' }",
        "sharedWithMe",
    ],
)
def test_query_finds_not(q: str) -> None:
    """A q that is false of the item."""
    assert not compile_query(q, "root-id")(ITEM)


@pytest.mark.parametrize(
    "q",
    [
        "name = 'It's'",
        "name = 'back\\slash'",
        'name = "x"',
        "name = x",
        "name > 'x'",
        "colour = 'red'",
        "trashed",
        "trashed = 'true'",
        "modifiedTime > 'yesterday'",
        "'F' in parents and",
        "('F' in parents",
        "appProperties has { key='k' }",
        "(" * 100 + "trashed = true" + ")" * 100,
        "not " * 100 + "trashed = true",
    ],
)
def test_query_that_does_not_parse_is_a_violation(q: str) -> None:
    """An unescaped quote or backslash, an unknown word, a wrong operator."""
    with pytest.raises(ApiError) as error:
        compile_query(q, "root-id")
    assert (error.value.reason, error.value.location) == ("invalid", "q")
    assert error.value.violation


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("*", {"id": "1", "parents": ["F"], "capabilities": {"canEdit": True, "canCopy": False}}),
        ("id", {"id": "1"}),
        ("id,parents", {"id": "1", "parents": ["F"]}),
        ("capabilities", {"capabilities": {"canEdit": True, "canCopy": False}}),
        ("capabilities(canEdit)", {"capabilities": {"canEdit": True}}),
        ("capabilities/canEdit, id", {"id": "1", "capabilities": {"canEdit": True}}),
        ("capabilities/canEdit,capabilities/canCopy", {"capabilities": {"canEdit": True, "canCopy": False}}),
        ("md5Checksum", {}),
    ],
)
def test_fields_pick(mask: str, expected: dict[str, Any]) -> None:
    """A mask takes what it names and leaves the rest."""
    file = {"id": "1", "parents": ["F"], "capabilities": {"canEdit": True, "canCopy": False}}
    assert pick(file, parse(mask, FILE)) == expected


def test_fields_of_a_list_reach_into_each_file() -> None:
    """A mask goes through arrays."""
    page = {"kind": "drive#fileList", "nextPageToken": "t", "files": [{"id": "1", "name": "a"}, {"id": "2"}]}
    expected = {"nextPageToken": "t", "files": [{"id": "1"}, {"id": "2"}]}
    assert pick(page, parse("nextPageToken,files(id)", FILES)) == expected
    assert pick(page, parse("nextPageToken,files/id", FILES)) == expected


@pytest.mark.parametrize(
    "mask", ["", "id,", "id(", "files(id)", "nonsense", "id,md5checksum", "id)", "id/x", "capabilities("]
)
def test_fields_that_are_unknown_are_refused(mask: str) -> None:
    """A name that is not there, or a mask that does not parse."""
    with pytest.raises(ApiError, match="invalidParameter") as error:
        parse(mask, FILE)
    assert error.value.message.startswith("Invalid field selection")


def test_bad_q_answers_in_googles_shape(api: Api) -> None:
    """The error names the parameter."""
    error = api.files(q="name = 'It's'").json()["error"]
    inner = {"message": "Invalid Value", "domain": "global", "reason": "invalid", "location": "q"}
    assert error == {"code": 400, "message": "Invalid Value", "errors": [{**inner, "locationType": "parameter"}]}


def test_list_has_everything_visible_trashed_included(api: Api, world: World) -> None:
    """Folders, files and what is in the bin; not what the guest put there himself."""
    file = api.put(api.open(1), b"x").json()
    folder = api.create({"name": "F", "mimeType": FOLDER}).json()
    world.drive.account().add("by hand.jpg", b"x")
    world.drive.account().trash(file["id"])
    listed = api.files().json()
    assert listed == {"kind": "drive#fileList", "incompleteSearch": False, "files": [folder, file]}
    assert [each["id"] for each in api.files(q="trashed = false").json()["files"]] == [folder["id"]]


def read_pages(api: Api, **query: Any) -> list[list[str]]:
    """Return the names of a list, page by page."""
    pages: list[list[str]] = []
    while True:
        page = api.files(**query).json()
        pages.append([each["name"] for each in page["files"]])
        if "nextPageToken" not in page:
            return pages
        query["pageToken"] = page["nextPageToken"]


def fill(world: World, api: Api, count: int) -> None:
    """Put files into the Drive, each named by its number."""
    for number in range(count):
        world.drive.account().add(str(number), app=api.client)


def test_pages_go_on_to_the_end(api: Api, world: World) -> None:
    """Every file once; the end is where no token comes; a full last page has none either."""
    fill(world, api, 4)
    assert read_pages(api, pageSize=3) == [["3", "2", "1"], ["0"]]
    assert read_pages(api, pageSize=2) == [["3", "2"], ["1", "0"]]
    assert read_pages(api) == [["3", "2", "1", "0"]]


def test_token_comes_only_when_fields_ask_for_it(api: Api, world: World) -> None:
    """Who forgets nextPageToken reads one page."""
    fill(world, api, 2)
    assert api.files(pageSize=1, fields="files(name)").json() == {"files": [{"name": "1"}]}


def test_page_token_belongs_to_its_question(api: Api, world: World) -> None:
    """A token with another q, or an invented one, is refused."""
    fill(world, api, 2)
    token = api.files(pageSize=1).json()["nextPageToken"]
    for query in ({"pageToken": token, "q": "trashed = false"}, {"pageToken": "invented"}):
        assert api.files(**query).json()["error"]["errors"][0]["location"] == "pageToken"


@pytest.mark.parametrize("size", ["0", "1001", "many"])
def test_page_size_has_bounds(api: Api, world: World, size: str) -> None:
    """1 to 1000."""
    assert api.files(pageSize=size).status_code == 400
    assert len(world.violations) == 1


def test_order_is_checked(api: Api) -> None:
    """Known keys, with or without desc."""
    assert api.files(orderBy="folder,modifiedTime desc,name").status_code == 200
    assert api.files(orderBy="colour").status_code == 400


def test_list_that_hides_the_newest(api: Api, world: World) -> None:
    """A list may lag behind; files.get does not."""
    fill(world, api, 3)
    world.faults.add(Fault(on="files_list", does="hide", count=2))
    assert read_pages(api) == [["0"]]
    assert read_pages(api) == [["2", "1", "0"]]


def test_list_that_repeats(api: Api, world: World) -> None:
    """An entry stands again on the next page."""
    fill(world, api, 3)
    world.faults.add(Fault(on="files_list", does="repeat"))
    assert read_pages(api, pageSize=2) == [["2", "1"], ["1", "0"]]


def test_list_with_an_empty_page(api: Api, world: World) -> None:
    """An empty page with a token is not the end."""
    fill(world, api, 2)
    world.faults.add(Fault(on="files_list", does="empty_page"))
    assert read_pages(api) == [[], ["1", "0"]]


def test_list_that_refuses_its_token(api: Api, world: World) -> None:
    """A good token may be refused; the list can be read from its beginning."""
    fill(world, api, 2)
    world.faults.add(Fault(on="files_list", does="reject_page_token", match="pageToken"))
    token = api.files(pageSize=1).json()["nextPageToken"]
    assert api.files(pageSize=1, pageToken=token).status_code == 400
    assert read_pages(api, pageSize=1) == [["1"], ["0"]]


def test_lists_lag_by_seconds_for_one_account(api: Api, world: World) -> None:
    """What came is not shown yet, in no list and to no question; by its id it is there at once."""
    account = world.drive.account()
    account.lag = 3600.0
    made = api.create({"name": "A", "mimeType": FOLDER}).json()["id"]
    assert api.files().json()["files"] == []
    assert api.call("GET", f"/drive/v3/files/{made}").status_code == 200
    account.lag = 0.0
    assert [made] == [each["id"] for each in api.files().json()["files"]]
