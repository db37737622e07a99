"""Gives the sessions of the clouds' OAuth libraries, which speak through requests, the limits and the guard of ours."""

import socket
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from common.connections import NotPublic, connect
from common.errors import AddressRefused, Reason


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


class GuardedAdapter(HTTPAdapter):
    """Speaks for requests, which would wait for ever unless every call says otherwise, and go to any address.

    Args:
        reason: what a refused address is called in the errors raised here.
        timeouts: seconds to connect and to wait for an answer.
        local: connect to any address, not only to public ones.
    """

    def __init__(self, reason: Reason, timeouts: tuple[float, float], *, local: bool) -> None:
        self._reason = reason
        self._timeouts = timeouts
        self._local = local
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools, guarded."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _LOCAL_POOLS if self._local else _POOLS

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send a request; raises AddressRefused where the guard does."""
        options["timeout"] = options.get("timeout") or self._timeouts
        try:
            return super().send(request, **options)
        except NotPublic:
            raise AddressRefused(self._reason) from None
