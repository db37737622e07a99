"""The pretend accounts: consent, codes, tokens; strict about PKCE and redirect URIs."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests

from sandbox import World
from sandbox.oauth.browser import PageError
from tests.unit.sandbox.bare_api import DRIVE_FILE

REDIRECT = "http://127.0.0.1:9/cloud_archive/callback/google_drive"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Client:
    """An OAuth client that sends what it is told."""

    def __init__(self, world: World):
        self.world = world
        self.settings = world.environment()
        self.session = requests.Session()

    def url(self, **changes: str | None) -> str:
        """Return a consent URL; None leaves a parameter out."""
        asked = {
            "client_id": self.settings["GOOGLE_CLIENT_ID"],
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": DRIVE_FILE,
            "state": "s",
            "access_type": "offline",
            "prompt": "consent",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        kept = {name: value for name, value in asked.items() if value is not None}
        return f"{self.settings['GOOGLE_AUTH_URI']}?{urlencode(kept)}"

    def consent(self, **changes: str | None) -> dict[str, str]:
        """Have the guest allow; return what the callback is told."""
        return dict(parse_qsl(urlsplit(self.world.accounts.consent(self.url(**changes))).query))

    def token(self, *, basic: bool = True, **form: str) -> requests.Response:
        """Ask the token endpoint."""
        pair = self.settings["GOOGLE_CLIENT_ID"], self.settings["GOOGLE_CLIENT_SECRET"]
        if not basic:
            form = {**form, "client_id": pair[0], "client_secret": pair[1]}
        return self.session.post(self.settings["GOOGLE_TOKEN_URI"], data=form, auth=pair if basic else None, timeout=10)

    def exchange(self, code: str, **changes: str) -> requests.Response:
        """Bring a code."""
        form = {"redirect_uri": REDIRECT, "code_verifier": VERIFIER, **changes}
        return self.token(grant_type="authorization_code", code=code, **form)

    def refresh(self, token: str, **more: str) -> requests.Response:
        """Bring a refresh token."""
        return self.token(grant_type="refresh_token", refresh_token=token, **more)


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    """Our client."""
    ours = Client(world)
    with ours.session:
        yield ours


def error(reply: Any) -> tuple[int, str]:
    """Return status and code of an OAuth error."""
    return reply.status_code, reply.json()["error"]


def test_consent_shows_what_is_asked_for(client: Client) -> None:
    """The page names the scope and has two buttons."""
    page = client.session.get(client.url(), timeout=10).text
    assert DRIVE_FILE in page
    assert [word in page for word in (">Allow<", ">Deny<")] == [True, True]


def test_callback_of_a_consent(client: Client) -> None:
    """State, issuer, scope and a code with a slash, which is encoded once."""
    callback = client.world.accounts.consent(client.url())
    told = dict(parse_qsl(urlsplit(callback).query))
    assert callback.startswith(f"{REDIRECT}?")
    assert "/" not in urlsplit(callback).query
    assert "/" in told.pop("code")
    assert told == {
        "state": "s",
        "iss": "https://accounts.google.com",
        "scope": DRIVE_FILE,
        "authuser": "0",
        "prompt": "consent",
    }


def test_issuer_can_be_left_out(client: Client) -> None:
    """Older answers had no `iss`."""
    client.world.accounts.iss = None
    assert "iss" not in client.consent()


def test_callback_of_a_denial(client: Client) -> None:
    """access_denied and the state."""
    callback = client.world.accounts.consent(client.url(), allow=False)
    assert callback == f"{REDIRECT}?error=access_denied&state=s"


def test_unticked_scope_is_not_granted(client: Client) -> None:
    """The token has what was ticked, and only that."""
    callback = client.world.accounts.consent(client.url(scope=f"openid {DRIVE_FILE}"), scopes=["openid"])
    told = dict(parse_qsl(urlsplit(callback).query))
    assert told["scope"] == "openid"
    assert client.exchange(told["code"]).json()["scope"] == "openid"


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "unknown"},
        {"response_type": "token"},
        {"scope": ""},
        {"redirect_uri": "https://example.com/#fragment"},
        {"redirect_uri": "https://user@example.com/"},
        {"redirect_uri": "/relative"},
        {"access_type": "sometimes"},
        {"code_challenge": None},
        {"code_challenge": "short"},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
    ],
)
def test_bad_consent_request_never_returns(client: Client, changes: dict[str, str | None]) -> None:
    """Google shows its own error page, without a redirect."""
    with pytest.raises(PageError, match=r"400: .*Access blocked"):
        client.consent(**changes)


def test_parameter_twice_is_refused(client: Client) -> None:
    """A duplicated parameter is an invalid request."""
    with pytest.raises(PageError, match="twice"):
        client.world.accounts.consent(client.url() + "&state=t")


@pytest.mark.parametrize("basic", [True, False])
def test_exchange(client: Client, basic: bool) -> None:
    """Credentials in a header or in the body; everything in the answer that Google tells."""
    form = {"redirect_uri": REDIRECT, "code_verifier": VERIFIER, "code": client.consent()["code"]}
    told = client.token(basic=basic, grant_type="authorization_code", **form).json()
    assert told.pop("access_token").startswith("ya29.")
    assert told.pop("refresh_token").startswith("1//")
    assert told == {"expires_in": 3599, "scope": DRIVE_FILE, "token_type": "Bearer"}


def test_code_works_once(client: Client) -> None:
    """The second exchange of a code fails."""
    code = client.consent()["code"]
    assert client.exchange(code).status_code == 200
    assert error(client.exchange(code)) == (400, "invalid_grant")
    assert client.world.accounts.exchanges == 2


def test_redirect_uri_must_be_the_same_to_the_letter(client: Client) -> None:
    """A slash more is another address."""
    reply = client.exchange(client.consent()["code"], redirect_uri=REDIRECT + "/")
    assert error(reply) == (400, "redirect_uri_mismatch")


@pytest.mark.parametrize(
    ("verifier", "description"),
    [("", "Missing code verifier."), ("w" * 43, "Invalid code verifier."), (VERIFIER[1:], "Invalid code verifier.")],
)
def test_verifier_must_fit(client: Client, verifier: str, description: str) -> None:
    """Missing, wrong or too short."""
    reply = client.exchange(client.consent()["code"], code_verifier=verifier)
    assert error(reply) == (400, "invalid_grant")
    assert reply.json()["error_description"] == description


def test_verifier_must_not_come_unasked(client: Client) -> None:
    """Where PKCE is optional, a verifier without a challenge is refused."""
    client.world.accounts.need_pkce = False
    code = client.consent(code_challenge=None, code_challenge_method=None)["code"]
    reply = client.exchange(code)
    assert reply.json()["error_description"] == "code_verifier or verifier is not needed."


def test_wrong_secret_is_401(client: Client) -> None:
    """Client credentials are checked first."""
    client.settings["GOOGLE_CLIENT_SECRET"] = "wrong"
    assert error(client.refresh("any")) == (401, "invalid_client")


def test_refresh_token_comes_when_it_is_due(client: Client) -> None:
    """The first time, or with prompt=consent; never without access_type=offline."""
    first = client.exchange(client.consent(prompt=None)["code"]).json()
    second = client.exchange(client.consent(prompt=None)["code"]).json()
    prompted = client.exchange(client.consent()["code"]).json()
    online = client.exchange(client.consent(access_type=None)["code"]).json()
    assert ["refresh_token" in each for each in (first, second, prompted, online)] == [True, False, True, False]


def test_refresh_gives_another_access_token_alone(client: Client) -> None:
    """The refresh token stays as it is."""
    told = client.exchange(client.consent()["code"]).json()
    again = client.refresh(told["refresh_token"], scope=DRIVE_FILE).json()
    assert set(again) == {"access_token", "expires_in", "scope", "token_type"}
    assert again["access_token"] != told["access_token"]
    assert client.world.accounts.refreshes == 1
    assert error(client.refresh(told["refresh_token"], scope="openid")) == (400, "invalid_scope")


def test_unknown_refresh_token(client: Client) -> None:
    """invalid_grant."""
    assert error(client.refresh("1//unknown")) == (400, "invalid_grant")


def test_guest_revokes(client: Client) -> None:
    """When the guest removes the app, refreshing fails and so does the access token."""
    told = client.exchange(client.consent()["code"]).json()
    client.world.accounts.revoke("guest")
    assert error(client.refresh(told["refresh_token"])) == (400, "invalid_grant")
    headers = {"Authorization": f"Bearer {told['access_token']}"}
    assert client.session.get(f"{client.world.drive.url}/drive/v3/files", headers=headers).status_code == 401


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_client_revokes(client: Client, which: str) -> None:
    """Either token takes the whole grant with it; the second time there is none."""
    told = client.exchange(client.consent()["code"]).json()
    url = client.settings["GOOGLE_REVOKE_URI"]
    assert client.session.post(url, data={"token": told[which]}, timeout=10).status_code == 200
    assert error(client.refresh(told["refresh_token"])) == (400, "invalid_grant")
    assert error(client.session.post(url, data={"token": told[which]}, timeout=10)) == (400, "invalid_token")


def test_hundred_and_first_refresh_token_ends_the_first(client: Client) -> None:
    """A guest has at most a hundred valid refresh tokens per client; the oldest is dropped silently."""
    tokens = client.world.accounts.tokens
    refresh_tokens = [tokens.grant(client.settings["GOOGLE_CLIENT_ID"], "guest", (DRIVE_FILE,))[1] for _ in range(101)]
    assert [
        client.refresh(each).status_code for each in (refresh_tokens[0], refresh_tokens[1], refresh_tokens[-1])
    ] == [
        400,
        200,
        200,
    ]


def test_life_of_tokens_is_told(client: Client) -> None:
    """expires_in follows `ttl`; an app in testing is told when its refresh token dies."""
    client.world.accounts.ttl = 10
    client.world.accounts.refresh_token_expires_in = 604799
    told = client.exchange(client.consent()["code"]).json()
    assert (told["expires_in"], told["refresh_token_expires_in"]) == (10, 604799)
