"""Calls to Yandex Disk's API with the guest's token: JSON in, JSON out, refusals in our words. Thread-safe."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from common.clouds.grant import SharedGrant
from common.clouds.yandex_disk.failures import read_refusal
from common.errors import Reason, Transient
from common.http.client import Answer, HttpClient
from common.http.network_policy import ANY_NETWORK, PUBLIC_ONLY
from common.http.urls import LinkRefused, check_link, host_matches

# Where upload links lead to: they carry a guest's photos. Seen are uploader….disk.yandex.net and ….dst.yandex.net.
UPLOAD_HOSTS = ("*.yandex.net",)


class YandexApi:
    """Yandex Disk's methods by their paths.

    Args:
        base: address under which `/v1/disk` is.
        http: sends the requests.
        grant: the guest's token.
    """

    def __init__(self, base: str, http: HttpClient, grant: SharedGrant) -> None:
        self._base = base
        self._http = http
        self._grant = grant
        parts = urlsplit(base)
        # A stand-in's links lead to a stand-in.
        self._upload_hosts = UPLOAD_HOSTS if host_matches(parts.hostname or "", UPLOAD_HOSTS) else ("*",)
        self._policy = ANY_NETWORK if parts.scheme == "http" or parts.port is not None else PUBLIC_ONLY

    def call(self, method: str, path: str, query: Mapping[str, str], *, content: Any = None) -> Answer:
        """Send a request with a valid token and return its answer, whatever the status but 401.

        Args:
            method: as HTTP spells it.
            path: below `/v1/disk`.
            query: parameters.
            content: sent as JSON, if there is any.

        Raises:
            Transient: no answer.
            GrantRevoked: the grant is void, or its fresh tokens are refused as well.
        """
        sent = {"Accept": "application/json"}
        body = None
        if content is not None:
            body = json.dumps(content, ensure_ascii=False).encode()
            sent["Content-Type"] = "application/json"
        url = f"{self._base}/v1/disk{path}"
        if query:
            url += f"?{urlencode(query)}"

        def send(token: str) -> Answer:
            return self._http.request(method, url, headers={**sent, "Authorization": f"OAuth {token}"}, body=body)

        return self._grant.send(send, "Yandex Disk")

    def fetch(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the JSON object at a path.

        Raises:
            ArchiveError: what the refusal means, or Transient when the answer is not Yandex's.
        """
        answer = self.call("GET", path, query)
        if answer.status != 200:
            raise read_refusal(answer)
        return read_object(answer)

    def check_upload(self, address: object) -> str:
        """Return the address that an upload link names; raises Transient when it is none that Yandex would give."""
        try:
            check_link(str(address), self._upload_hosts, policy=self._policy)
        except LinkRefused as refused:
            raise Transient(Reason.CLOUD_UNAVAILABLE, f"an upload link that {refused}") from None
        return str(address)


def read_object(answer: Answer) -> dict[str, Any]:
    """Return a body that must be a JSON object; raises Transient when it is not: something else answered for Yandex."""
    try:
        content = answer.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Transient(Reason.CLOUD_UNAVAILABLE, "an answer that is not Yandex's")
    return content
