"""Gives the sessions of the clouds' OAuth libraries, which speak through requests, the limits and the guard of ours."""

import socket
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from common.connections import NotPublic, connect
from common.errors import AddressRefused
from common.httpclient import READ_SECONDS, USER_AGENT, HttpClient
from common.lines import CONNECT_SECONDS


class _HttpConnection(urllib3.connection.HTTPConnection):
    local = False

    def _new_conn(self) -> socket.socket:
        return connect(self._dns_host, self.port, self.timeout, local=self.local)


class _HttpsConnection(_HttpConnection, urllib3.connection.HTTPSConnection):
    pass


class _LocalHttpConnection(_HttpConnection):
    local = True


class _LocalHttpsConnection(_HttpsConnection):
    local = True


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


class _LocalHttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _LocalHttpConnection


class _LocalHttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _LocalHttpsConnection


_POOLS = {"http": _HttpPool, "https": _HttpsPool}
_LOCAL_POOLS = {"http": _LocalHttpPool, "https": _LocalHttpsPool}


def equip(session: requests.Session, http: HttpClient) -> None:
    """Give a session the authorities, limits and guard of our own client; its redirects are errors."""
    session.trust_env = False
    session.max_redirects = 0  # a redirect would carry our secrets to wherever it points
    session.verify = http.ca_bundle or True
    session.headers["User-Agent"] = USER_AGENT
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter(http))

    def note(response: requests.Response, *_args: object, **_options: object) -> None:
        asked, seconds = response.request, response.elapsed.total_seconds()
        http.witness.note_request(asked.method or "", asked.url or "", response.status_code, seconds, 0)

    session.hooks["response"].append(note)


class _Adapter(HTTPAdapter):
    """Speaks for requests, which would wait for ever unless every call says otherwise, and go to any address."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _LOCAL_POOLS if self._http.local else _POOLS

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        options["timeout"] = options.get("timeout") or (CONNECT_SECONDS, READ_SECONDS)
        try:
            return super().send(request, **options)
        except NotPublic:
            raise AddressRefused(self._http.reason) from None
