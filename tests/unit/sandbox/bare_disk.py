"""A bare client of the pretend Disk: sends what it is told, follows and repairs nothing."""

from typing import Any

import requests

from sandbox import World
from sandbox.yandex.accounts import RIGHTS


class DiskApi:
    """One guest's access through one client."""

    def __init__(self, world: World, *rights: str):
        self.world = world
        self.client = next(iter(world.yandex_accounts.clients))
        self.token, self.refresh_token = world.yandex_accounts.tokens.grant(self.client, "guest", rights or RIGHTS)
        self.session = requests.Session()

    def call(self, method: str, path: str, query: dict[str, Any] | None = None, **more: Any) -> requests.Response:
        """Send a request with the token, and nothing else that was not asked for."""
        headers = {"Authorization": f"OAuth {self.token.text}", **more.pop("headers", {})}
        url = f"{self.world.yandex.url}/v1/disk{path}"
        return self.session.request(
            method, url, params=query, headers=headers, allow_redirects=False, timeout=10, **more
        )

    def get(self, path: str, **query: Any) -> requests.Response:
        """Look at a resource."""
        return self.call("GET", "/resources", {"path": path, **query})

    def mkdir(self, path: str) -> requests.Response:
        """Make a folder."""
        return self.call("PUT", "/resources", {"path": path})

    def patch(self, path: str, body: Any, **more: Any) -> requests.Response:
        """Change a resource."""
        return self.call("PATCH", "/resources", {"path": path}, json=body, **more)

    def delete(self, path: str, **query: Any) -> requests.Response:
        """Remove a resource."""
        return self.call("DELETE", "/resources", {"path": path, **query})

    def move(self, source: str, path: str, **query: Any) -> requests.Response:
        """Put a resource elsewhere."""
        return self.call("POST", "/resources/move", {"from": source, "path": path, **query})

    def link(self, path: str, **query: Any) -> requests.Response:
        """Ask where bytes go."""
        return self.call("GET", "/resources/upload", {"path": path, **query})

    def open(self, path: str = "disk:/a.jpg", **query: Any) -> dict[str, Any]:
        """Have a link."""
        reply = self.link(path, **query)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def put(self, href: str, data: Any = b"", **headers: str) -> requests.Response:
        """Send bytes to a link, without a token."""
        return self.session.put(href, data=data, headers=headers, allow_redirects=False, timeout=10)

    def upload(self, path: str = "disk:/a.jpg", data: bytes = b"12345", **query: Any) -> requests.Response:
        """Have a link and send bytes to it."""
        return self.put(self.open(path, **query)["href"], data)

    def status(self, operation_id: str) -> str:
        """Ask how far an operation is."""
        return str(self.call("GET", f"/operations/{operation_id}").json()["status"])


def error(reply: requests.Response) -> tuple[int, str]:
    """Return status and name of an error of the API, whose form is checked."""
    content = reply.json()
    assert set(content) == {"message", "description", "error"}
    return reply.status_code, content["error"]
