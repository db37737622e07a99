"""Calls to Drive's API with the guest's token: JSON in, JSON out, refusals in our words. Thread-safe."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from common.clouds.google_drive.failures import read_failure, read_reason
from common.clouds.grant import SharedGrant
from common.errors import Reason, Transient
from common.http.client import Answer, HttpClient


class DriveApi:
    """Drive's methods by their paths.

    Args:
        base: address under which `/drive/v3` and `/upload/drive/v3` are.
        http: sends the requests.
        grant: the guest's token.
    """

    def __init__(self, base: str, http: HttpClient, grant: SharedGrant) -> None:
        self._base = base
        self._http = http
        self._grant = grant

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        content: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request with a valid token and return its answer, whatever the status but 401.

        Args:
            method: as HTTP spells it.
            path: below the base, percent-encoded.
            query: parameters.
            content: sent as JSON, if there is any.
            headers: more headers.

        Raises:
            Transient: no answer.
            GrantRevoked: the grant is void, or its fresh tokens are refused as well.
        """
        sent = {"Accept": "application/json", **(headers or {})}
        body = None
        if content is not None:
            body = json.dumps(content, ensure_ascii=False).encode()
            sent["Content-Type"] = "application/json; charset=UTF-8"
        url = f"{self._base}{path}?{urlencode(query)}"

        def send(token: str) -> Answer:
            return self._http.request(method, url, headers={**sent, "Authorization": f"Bearer {token}"}, body=body)

        return self._grant.send(send, "Drive")

    def fetch(self, method: str, path: str, query: Mapping[str, str], *, content: Any = None) -> dict[str, Any]:
        """Send a request and return the JSON object it is answered with.

        Raises:
            ArchiveError: what the refusal means, or Transient when the answer is not Drive's.
        """
        answer = self.call(method, path, query, content=content)
        if answer.status not in (200, 201):
            raise read_failure(answer)
        return read_object(answer)

    def renew(self, refused: str) -> str:
        """Return another token than the refused one."""
        return self._grant.renew(refused)


def read_object(answer: Answer) -> dict[str, Any]:
    """Return a body that must be a JSON object; raises Transient when it is not: something else answered for Drive."""
    try:
        content = answer.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Transient(Reason.CLOUD_UNAVAILABLE, "an answer that is not Drive's")
    return content


def is_not_found(answer: Answer) -> bool:
    """Tell whether Drive itself says that there is no such file; a page of somebody else's says nothing about it."""
    return answer.status == 404 and read_reason(answer) != ""


def file_path(file_id: str) -> str:
    """Return the path of one file."""
    return f"/drive/v3/files/{quote(file_id, safe='')}"


def quote_text(text: str) -> str:
    r"""Return a text as a literal of Drive's query language: backslash and quote escaped, in this order.

    Source: https://developers.google.com/workspace/drive/api/guides/search-files
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
