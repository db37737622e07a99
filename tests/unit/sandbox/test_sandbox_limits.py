"""What the pretend Drive refuses: ids, full accounts, haste, tokens; and what one account sees of another."""

from typing import Any

import pytest

from sandbox import World
from tests.unit.sandbox.bare_api import DRIVE_FILE, FOLDER, Api


def reason(reply: Any) -> tuple[int, str]:
    """Return status and reason of an error."""
    return reply.status_code, reply.json()["error"]["errors"][0]["reason"]


def test_generated_id_is_used_once(api: Api) -> None:
    """An id that was never made is 400, one that exists is 409, for folders and for sessions, even after deletion."""
    (wanted,) = api.ids()
    assert reason(api.create({"name": "a", "id": "made-up"})) == (400, "fileIdNotUsable")
    assert api.create({"name": "F", "mimeType": FOLDER, "id": wanted}).json()["id"] == wanted
    assert api.create({"name": "F", "mimeType": FOLDER, "id": wanted}).status_code == 409
    assert api.initiate({"name": "a", "id": wanted}).status_code == 409
    api.call("DELETE", f"/drive/v3/files/{wanted}")
    assert api.initiate({"name": "a", "id": wanted}).status_code == 409


def test_conflict_can_wait_for_the_last_byte(api: Api, world: World) -> None:
    """With `conflict_at` final, the same id opens two sessions, and the second to end is refused."""
    world.drive.conflict_at = "final"
    (wanted,) = api.ids()
    first, second = (api.open(1, {"name": "a", "id": wanted}) for _ in range(2))
    assert api.put(first, b"x").status_code == 200
    assert api.put(second, b"x").status_code == 409
    assert api.open(1, {"name": "a", "id": wanted})


def test_count_of_generated_ids(api: Api) -> None:
    """Ten if not told, a thousand at most."""
    assert len(api.call("GET", "/drive/v3/files/generateIds").json()["ids"]) == 10
    assert len(set(api.ids(1000))) == 1000
    assert api.call("GET", "/drive/v3/files/generateIds", {"count": 1001}).status_code == 400


def test_about_needs_whole_fields(api: Api, world: World) -> None:
    """Without `fields`, or with dotted ones, about is refused; the limit is missing where there is none."""
    assert reason(api.call("GET", "/drive/v3/about")) == (400, "required")
    assert reason(api.call("GET", "/drive/v3/about", {"fields": "storageQuota.limit"})) == (400, "required")
    account = world.drive.account()
    account.used_elsewhere = 5
    asked = {"fields": "user,storageQuota"}
    assert "limit" not in api.call("GET", "/drive/v3/about", asked).json()["storageQuota"]
    account.limit = 100
    about = api.call("GET", "/drive/v3/about", asked).json()
    assert about["storageQuota"] == {"limit": "100", "usage": "5", "usageInDrive": "0", "usageInDriveTrash": "0"}
    assert about["user"]["emailAddress"] == "guest@example.com"
    assert ["about without fields" in each for each in world.violations] == [True, True]


@pytest.mark.parametrize(("place", "statuses"), [("initiate", (403, None)), ("final", (200, 403))])
def test_full_account(api: Api, world: World, place: str, statuses: tuple[int, int | None]) -> None:
    """StorageQuotaExceeded comes when a session is opened, or only at its last byte."""
    world.drive.account().limit = 9
    world.drive.quota_at = place
    opened = api.initiate(total=10)
    assert opened.status_code == statuses[0]
    last = api.put(opened.headers["Location"], bytes(10)) if statuses[1] else opened
    assert reason(last) == (403, "storageQuotaExceeded")


def test_writes_beyond_the_pace_are_refused(api: Api, world: World) -> None:
    """A small burst passes, then 403; reading is not counted, and another answer may be set."""
    world.drive.writes_per_second = 0.01
    assert api.create({"name": "a"}).status_code == 200
    assert reason(api.create({"name": "a"})) == (403, "userRateLimitExceeded")
    assert api.files().status_code == 200
    world.drive.refuses_writes_with = (429, "rateLimitExceeded")
    assert reason(api.create({"name": "a"})) == (429, "rateLimitExceeded")


def test_requests_without_a_good_token(api: Api, world: World) -> None:
    """No token, an unknown one and one that is over are 401 and breaches; a revoked one is no breach."""
    url = f"{world.drive.url}/drive/v3/files"
    missing = api.session.get(url)
    assert (missing.status_code, missing.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert reason(api.session.get(url, headers={"Authorization": "Bearer made-up"})) == (401, "authError")
    world.accounts.revoke("guest")
    assert reason(api.files()) == (401, "authError")
    assert len(world.violations) == 2
    world.accounts.ttl = -1
    over = Api(world)
    with over.session:
        assert over.files().status_code == 401
    assert "after its expiry" in world.violations[2]


def test_token_without_the_scope_is_403(world: World) -> None:
    """A grant without Drive is told in Google's long form."""
    api = Api(world, scope="openid")
    with api.session:
        error = api.files().json()["error"]
    assert (error["code"], error["status"]) == (403, "PERMISSION_DENIED")
    assert error["details"][0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


def test_unknown_parameter_is_a_violation(api: Api, world: World) -> None:
    """A parameter the method does not have is answered and remembered."""
    assert api.files(pagesize=5).status_code == 200
    assert ["unknown query parameter pagesize" in each for each in world.violations] == [True]


def test_accounts_are_apart(api: Api, world: World) -> None:
    """What one guest stores is not in another's Drive."""
    api.put(api.open(1), b"x")
    other = world.accounts.tokens.grant(api.client, "other", (DRIVE_FILE,))[0]
    seen = api.session.get(f"{world.drive.url}/drive/v3/files", headers={"Authorization": f"Bearer {other.text}"})
    assert seen.json()["files"] == []
    assert world.drive.account("other").tree() == []


def test_full_account_with_room_again_goes_on(api: Api, world: World) -> None:
    """A file refused at its last byte keeps its session: when there is room, a query ends what is all stored."""
    size = 256 * 1024
    world.drive.account().limit, world.drive.quota_at = 9, "final"
    session = api.open(size, fields="size")
    assert reason(api.put(session, bytes(size))) == (403, "storageQuotaExceeded")
    assert reason(api.put(session, span=f"bytes */{size}")) == (403, "storageQuotaExceeded")
    world.drive.account().limit = None
    assert api.put(session, span=f"bytes */{size}").json() == {"size": str(size)}
