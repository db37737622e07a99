"""A permission at Google, real or pretended, and how a guest gives it."""

from urllib.parse import parse_qsl, urlsplit

from common.clouds.google_drive import GOOGLE_DRIVE
from common.clouds.google_drive.auth import SCOPE, GoogleAuth
from common.clouds.grant import Grant
from common.config.env import Environment
from common.crypto.sealing import Secret
from common.errors import Reason
from common.http.client import HttpClient
from common.http.network_policy import ANY_NETWORK, PUBLIC_ONLY, NetworkPolicy
from sandbox.world import World

TOKEN_URI = "https://oauth2.googleapis.com/token"
CALLBACK = "https://archive.example/cloud_archive/callback/google_drive"
VERIFIER = "v" * 43
ANSWER = {"code": "4/0Acode/x", "iss": "https://accounts.google.com", "scope": SCOPE}
TOKENS = {"access_token": "ya29.a", "expires_in": 3599, "refresh_token": "1//r", "scope": SCOPE, "token_type": "Bearer"}
GRANT = Grant(Secret("1//old"), Secret("ya29.old"), 0.0)


def make_auth(environ: dict[str, str], *, policy: NetworkPolicy = PUBLIC_ONLY) -> GoogleAuth:
    """Return the auth half with an environment."""
    settings = Environment(environ).read_cloud(GOOGLE_DRIVE.variables, policy)
    assert settings
    http = HttpClient(connections=1, policy=ANY_NETWORK, reason=Reason.CLOUD_UNAVAILABLE)
    return GoogleAuth(settings, http)


def consent(auth: GoogleAuth, world: World, verifier: str = VERIFIER) -> dict[str, str]:
    """Let a guest agree; return the callback's query."""
    address = world.accounts.consent(auth.consent_url(CALLBACK, "state", verifier))
    return dict(parse_qsl(urlsplit(address).query))
