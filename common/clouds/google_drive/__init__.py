"""Google Drive: OAuth by Google's libraries, storage by plain REST."""

from common.clouds.base import Cloud
from common.clouds.google_drive.auth import GoogleAuth
from common.clouds.google_drive.storage import DriveStorage
from common.environment import Variable

GOOGLE_DRIVE = Cloud(
    name="google_drive",
    title="Google Drive",
    variables=(
        Variable("GOOGLE_CLIENT_ID"),
        Variable("GOOGLE_CLIENT_SECRET"),
        Variable("GOOGLE_AUTH_URI", "https://accounts.google.com/o/oauth2/v2/auth"),
        Variable("GOOGLE_TOKEN_URI", "https://oauth2.googleapis.com/token"),
        Variable("GOOGLE_REVOKE_URI", "https://oauth2.googleapis.com/revoke"),
        Variable("GOOGLE_API_URL", "https://www.googleapis.com"),
    ),
    auth=GoogleAuth,
    storage=DriveStorage,
)
