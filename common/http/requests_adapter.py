"""Adapter for requests: the clouds' OAuth libraries send through our own HTTP client."""

import io
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from common.http.client import READ_SECONDS, USER_AGENT, HttpClient


def mount_client(session: requests.Session, http: HttpClient) -> None:
    """Make a session send through our client, with all its limits; redirects are errors.

    The session raises what `HttpClient.request` raises.
    """
    session.trust_env = False
    session.max_redirects = 0  # a redirect would carry our secrets to wherever it points
    session.headers["User-Agent"] = USER_AGENT
    for scheme in ("https://", "http://"):
        session.mount(scheme, Adapter(http))


class Adapter(HTTPAdapter):
    """Transport adapter of requests over our client.

    Args:
        http: sends the requests.
    """

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        super().__init__()

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        """Return the answer, read whole.

        Args:
            request: with a body of bytes or text, if any.
            options: `timeout` in seconds, if not the client's usual one; the others have no say here.
        """
        body = request.body.encode() if isinstance(request.body, str) else request.body
        # The client sets a length itself, as it does `Host`.
        headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
        answer = self._http.request(
            request.method or "GET",
            request.url or "",
            headers=headers,
            body=body,
            read_seconds=options.get("timeout") or READ_SECONDS,
        )
        response = requests.Response()
        response.request, response.url = request, request.url or ""
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response.raw = io.BytesIO(answer.body)
        return response
