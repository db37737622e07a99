"""The pretend oauth.yandex.ru: consent, codes, and refresh tokens that are good once."""

import base64
import hashlib
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests

from sandbox import Fault, World
from sandbox.oauth.browser import PageError
from sandbox.yandex.accounts import RIGHTS
from tests.unit.sandbox.bare_disk import DiskApi

REDIRECT = "http://127.0.0.1:9/cloud_archive/callback/yadisk"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Client:
    """An OAuth client that sends what it is told."""

    def __init__(self, world: World):
        self.world = world
        self.accounts = world.yandex_accounts
        settings = world.environment()
        self.url = settings["YANDEX_OAUTH_URL"]
        self.id, self.secret = settings["YANDEX_CLIENT_ID"], settings["YANDEX_CLIENT_SECRET"]
        self.session = requests.Session()

    def consent_url(self, **changes: str | None) -> str:
        """Return a consent URL; None leaves a parameter out."""
        asked = {
            "client_id": self.id,
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "state": "s",
            "device_id": "archive-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        return f"{self.url}/authorize?{urlencode({name: each for name, each in asked.items() if each is not None})}"

    def consent(self, *, scopes: list[str] | None = None, **changes: str | None) -> dict[str, str]:
        """Have the guest allow; return what the callback is told."""
        back = self.accounts.consent(self.consent_url(**changes), scopes=scopes)
        return dict(parse_qsl(urlsplit(back).query))

    def post(self, path: str, *, basic: bool = False, **form: str) -> requests.Response:
        """Send a form with the client's credentials."""
        if not basic:
            form = {"client_id": self.id, "client_secret": self.secret, **form}
        auth = (self.id, self.secret) if basic else None
        return self.session.post(f"{self.url}{path}", data=form, auth=auth, timeout=10)

    def exchange(self, code: str, *, basic: bool = False, **changes: str) -> requests.Response:
        """Bring a code."""
        form = {"grant_type": "authorization_code", "code_verifier": VERIFIER, "code": code, **changes}
        return self.post("/token", basic=basic, **form)

    def refresh(self, token: str) -> requests.Response:
        """Bring a refresh token."""
        return self.post("/token", grant_type="refresh_token", refresh_token=token)

    def tokens(self, **changes: str | None) -> dict[str, str]:
        """Go all the way; return what the token endpoint tells."""
        reply = self.exchange(self.consent(**changes)["code"])
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def works(self, access: str) -> bool:
        """Tell whether an access token opens the Disk."""
        headers = {"Authorization": f"OAuth {access}"}
        return self.session.get(f"{self.world.yandex.url}/v1/disk", headers=headers, timeout=10).status_code == 200


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    """Our client."""
    ours = Client(world)
    with ours.session:
        yield ours


def error(reply: requests.Response) -> tuple[int, str]:
    """Return status and code of an OAuth error."""
    content = reply.json()
    assert set(content) == {"error", "error_description"}
    return reply.status_code, content["error"]


def test_consent_names_the_rights(client: Client) -> None:
    """All that were registered, or those that are asked for."""
    every = client.session.get(client.consent_url(), timeout=10).text
    some = client.session.get(client.consent_url(scope=RIGHTS[1]), timeout=10).text
    assert [right in every for right in RIGHTS] == [True, True, True]
    assert [right in some for right in RIGHTS] == [False, True, False]


def test_callbacks(client: Client) -> None:
    """A code and the state; or an error and the state."""
    told = client.consent()
    assert len(told.pop("code")) == 16
    assert told == {"state": "s"}
    denied = client.accounts.consent(client.consent_url(), allow=False)
    assert denied == f"{REDIRECT}?error=access_denied&error_description=User+denied+access&state=s"


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "unknown"},
        {"response_type": "token"},
        {"scope": "login:email"},
        {"redirect_uri": "https://user@example.com/"},
        {"device_id": "short"},
        {"device_id": "x" * 51},
        {"device_name": "x" * 101},
        {"state": "x" * 1025},
        {"code_challenge": None},
        {"code_challenge_method": "plain"},
    ],
)
def test_bad_consent_request_never_returns(client: Client, changes: dict[str, str | None]) -> None:
    """Yandex shows an error page, without a redirect."""
    with pytest.raises(PageError, match=r"400: .*Authorization error"):
        client.consent(**changes)


@pytest.mark.parametrize("basic", [True, False])
def test_exchange(client: Client, basic: bool) -> None:
    """Credentials in a header or in the body; a year, a refresh token, and no scope when all was granted."""
    told = client.exchange(client.consent()["code"], basic=basic).json()
    assert told["access_token"] != told["refresh_token"]
    assert (told["token_type"], told["expires_in"]) == ("bearer", 31_535_999)
    assert set(told) == {"token_type", "access_token", "expires_in", "refresh_token"}


def test_scope_is_told_when_it_is_less(client: Client) -> None:
    """A right that was unticked is missing in the answer, and at the Disk."""
    code = client.consent(scopes=[RIGHTS[0]])["code"]
    told = client.exchange(code).json()
    assert told["scope"] == RIGHTS[0]
    assert not client.works(told["access_token"])


@pytest.mark.parametrize("verifier", ["", "w" * 43, VERIFIER[1:]])
def test_verifier_must_fit(client: Client, verifier: str) -> None:
    """Missing, wrong or too short."""
    assert error(client.exchange(client.consent()["code"], code_verifier=verifier)) == (400, "invalid_grant")


def test_code_works_once_and_for_ten_minutes(client: Client) -> None:
    """The second exchange fails, and so does the first after ten minutes; what is no code is told apart."""
    code = client.consent()["code"]
    assert client.exchange(code).status_code == 200
    assert error(client.exchange(code)) == (400, "invalid_grant")
    late = client.consent()["code"]
    for grant in client.accounts.tokens._codes.values():
        grant.expires -= 600
    assert error(client.exchange(late)) == (400, "invalid_grant")
    assert error(client.exchange("no code")) == (400, "bad_verification_code")
    assert client.accounts.exchanges == 3


@pytest.mark.parametrize("changes", [{"client_id": "unknown"}, {"client_secret": "wrong"}])
def test_wrong_client(client: Client, changes: dict[str, str]) -> None:
    """400, as every error here."""
    assert error(client.exchange(client.consent()["code"], **changes)) == (400, "invalid_client")
    assert error(client.post("/revoke_token", access_token="any", **changes)) == (400, "invalid_client")


def test_refresh_tokens_rotate(client: Client) -> None:
    """Each is good once and brings the next; one that is used again is refused and noted."""
    first = client.tokens()
    second = client.refresh(first["refresh_token"]).json()
    assert set(second) == set(first)
    assert second["refresh_token"] != first["refresh_token"]
    assert client.works(second["access_token"])
    assert client.world.violations == []
    assert error(client.refresh(first["refresh_token"])) == (400, "invalid_grant")
    assert client.world.violations == ["a refresh token used twice: POST /token"]
    assert client.refresh(second["refresh_token"]).status_code == 200
    assert client.accounts.refreshes == 3


def test_lost_answer_of_a_refresh_is_forgiven_only_with_grace(client: Client) -> None:
    """Whoever loses the answer has lost the grant, unless the old token is good for a little longer."""
    client.world.faults.add(Fault(on="yandex_token", does="drop_after", after=1))
    refresh_token = client.tokens()["refresh_token"]
    with pytest.raises(requests.ConnectionError):
        client.refresh(refresh_token)
    assert error(client.refresh(refresh_token)) == (400, "invalid_grant")
    client.accounts.tokens.grace = 60
    assert client.refresh(refresh_token).status_code == 200


def test_access_token_may_stay_the_same(client: Client) -> None:
    """While it lives, if so wished; the refresh token never."""
    client.accounts.tokens.keeps_access = True
    first = client.tokens()
    second = client.refresh(first["refresh_token"]).json()
    assert second["access_token"] == first["access_token"]
    client.accounts.expire_tokens()
    assert client.refresh(second["refresh_token"]).json()["access_token"] != first["access_token"]


def test_guest_takes_access_back(client: Client) -> None:
    """Both tokens end; that is nothing the client did wrong."""
    told = client.tokens()
    client.accounts.revoke("guest")
    assert not client.works(told["access_token"])
    assert error(client.refresh(told["refresh_token"])) == (400, "invalid_grant")
    assert client.world.violations == []


def test_client_revokes_what_is_for_a_device(client: Client) -> None:
    """The token and its refresh token end, those of other devices stay; the second time there is none."""
    one, other = client.tokens(), client.tokens(device_id="archive-2")
    assert client.post("/revoke_token", basic=True, access_token=one["access_token"]).json() == {"status": "ok"}
    assert [client.works(each["access_token"]) for each in (one, other)] == [False, True]
    assert error(client.refresh(one["refresh_token"])) == (400, "invalid_grant")
    assert error(client.post("/revoke_token", access_token=one["access_token"])) == (400, "invalid_grant")


def test_client_cannot_revoke_what_is_for_no_device(client: Client) -> None:
    """unsupported_token_type."""
    told = client.tokens(device_id=None)
    reply = client.post("/revoke_token", access_token=told["access_token"])
    assert error(reply) == (400, "unsupported_token_type")
    assert client.works(told["access_token"])


def test_twenty_first_device_ends_the_first(client: Client) -> None:
    """Twenty devices for each guest and client; the oldest goes silently. Refreshing takes no place."""
    tokens = [client.tokens(device_id=f"archive-{number}") for number in range(20)]
    newer = client.refresh(tokens[0]["refresh_token"]).json()
    assert client.works(newer["access_token"])
    client.tokens(device_id="archive-20")
    assert [client.works(each["access_token"]) for each in (newer, tokens[1])] == [False, True]
    assert error(client.refresh(newer["refresh_token"])) == (400, "invalid_grant")


def test_unknown_grant_type(client: Client) -> None:
    """unsupported_grant_type."""
    assert error(client.post("/token", grant_type="password")) == (400, "unsupported_grant_type")


def test_faults_have_the_form_of_oauth(client: Client) -> None:
    """An error is a code and a description; the consent page can be down."""
    client.world.faults.add(
        Fault(on="yandex_token", does="status", status=400, reason="authorization_pending"),
        Fault(on="yandex_consent", does="status", status=503, html=True),
    )
    assert error(client.refresh("any")) == (400, "authorization_pending")
    assert client.session.get(client.consent_url(), timeout=10).status_code == 503


def test_stale_token_is_noted_when_it_was_known(world: World, disk_api: DiskApi) -> None:
    """A token used after its time is the client's fault; one that ended before is not."""
    world.yandex_accounts.expire_tokens()
    assert disk_api.call("GET", "").status_code == 401
    assert world.violations == []
    disk_api.token.forced, disk_api.token.expires = False, 0.0
    assert disk_api.call("GET", "").status_code == 401
    assert world.violations == ["use of a token after its expiry: GET /v1/disk"]
