"""Google Drive: OAuth by Google's libraries, storage by plain REST."""

from common.clouds.base import Cloud, CloudAuth
from common.clouds.digests import md5
from common.clouds.google_drive.storage import DriveStorage
from common.config.env import CloudSettings, Variable
from common.http.client import HttpClient


def _open_auth(settings: CloudSettings, http: HttpClient) -> CloudAuth:
    # Google's libraries take 15 MiB; a worker whose archives end within a token's hour needs none of them.
    from common.clouds.google_drive.auth import GoogleAuth

    return GoogleAuth(settings, http)


GOOGLE_DRIVE = Cloud(
    name="google_drive",
    title="Google Drive",
    titles={"ru": "Google Диск"},
    variables=(
        Variable("GOOGLE_CLIENT_ID"),
        Variable("GOOGLE_CLIENT_SECRET"),
        Variable("GOOGLE_AUTH_URI", "https://accounts.google.com/o/oauth2/v2/auth"),
        Variable("GOOGLE_TOKEN_URI", "https://oauth2.googleapis.com/token"),
        Variable("GOOGLE_REVOKE_URI", "https://oauth2.googleapis.com/revoke"),
        Variable("GOOGLE_API_URL", "https://www.googleapis.com"),
    ),
    # https://support.google.com/drive/answer/6374270: the largest files first, with a link to more space.
    storage_url="https://drive.google.com/drive/quota",
    new_digest=md5,
    auth=_open_auth,
    storage=DriveStorage,
    operations=(
        ("POST", r"/upload/.*", "begin"),
        ("PUT", r".*", "upload"),
        ("DELETE", r"/upload/.*", "abandon"),
        ("GET", r"/drive/v3/about.*", "space"),
        ("GET", r"/drive/v3/files/generateIds.*", "ids"),
        ("GET", r"/drive/v3/files/.*", "look"),
        ("GET", r"/drive/v3/files.*", "list"),
        ("POST", r"/drive/v3/files.*", "make_folder"),
        ("PATCH", r"/drive/v3/files/.*", "change"),
        ("DELETE", r"/drive/v3/files/.*", "remove"),
        ("POST", r".*/token", "token"),
        ("POST", r".*/revoke", "revoke"),
    ),
)
