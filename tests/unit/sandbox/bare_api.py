"""A bare client of the pretend Drive: sends what it is told, follows and repairs nothing."""

from typing import Any

import requests

from sandbox import World

FOLDER = "application/vnd.google-apps.folder"
DRIVE_FILE = "https://www.googleapis.com/auth/drive.file"


class Api:
    """One guest's access through one client."""

    def __init__(self, world: World, client: str = "", scope: str = DRIVE_FILE):
        self.world = world
        self.client = client or next(iter(world.accounts.clients))
        self.token, self.refresh_token = world.accounts.tokens.grant(self.client, "guest", (scope,))
        self.session = requests.Session()

    def call(self, method: str, path: str, query: dict[str, Any] | None = None, **more: Any) -> requests.Response:
        """Send a request with the token, and nothing else that was not asked for."""
        headers = {"Authorization": f"Bearer {self.token.text}", **more.pop("headers", {})}
        url = f"{self.world.drive.url}{path}"
        return self.session.request(
            method, url, params=query, headers=headers, allow_redirects=False, timeout=10, **more
        )

    def files(self, **query: Any) -> requests.Response:
        """List."""
        return self.call("GET", "/drive/v3/files", query)

    def create(self, body: dict[str, Any], **query: Any) -> requests.Response:
        """Make a file or folder of metadata alone."""
        return self.call("POST", "/drive/v3/files", query, json=body)

    def ids(self, count: int = 1) -> list[str]:
        """Have ids made."""
        return list(self.call("GET", "/drive/v3/files/generateIds", {"count": count}).json()["ids"])

    def initiate(self, body: Any = None, total: int | None = None, **query: Any) -> requests.Response:
        """Open an upload session."""
        headers = {} if total is None else {"X-Upload-Content-Length": str(total)}
        asked = {"uploadType": "resumable", **query}
        return self.call("POST", "/upload/drive/v3/files", asked, json=body or {"name": "a.jpg"}, headers=headers)

    def open(self, total: int | None = None, body: Any = None, **query: Any) -> str:
        """Open an upload session and return its address."""
        reply = self.initiate(body, total, **query)
        assert reply.status_code == 200, reply.text
        return reply.headers["Location"]

    def put(self, session: str, data: Any = b"", span: str = "", **headers: str) -> requests.Response:
        """Send bytes to a session, without a token."""
        if span:
            headers["Content-Range"] = span
        return self.session.put(session, data=data, headers=headers, allow_redirects=False, timeout=10)
