"""HTTP server for `/healthz`, `/readyz` and `/metrics` of the worker."""

import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from common.telemetry import metrics

logger = logging.getLogger(__name__)

# Seconds a client may take to send its request: whoever is slower is no probe, and holds a thread.
REQUEST_TIMEOUT = 5.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """Log what went wrong as other records are; the next probe is answered all the same."""
        logger.warning("a probe was not answered", exc_info=True)


def serve_health(
    port: int, *, is_alive: Callable[[], bool], is_ready: Callable[[], bool], trouble: Callable[[], str] = lambda: ""
) -> ThreadingHTTPServer:
    """Answer an orchestrator's probes on a thread of the server's own; shut the returned server down at the end.

    Args:
        port: where to listen, on every address.
        is_alive: whether the process still moves; never asks anybody else.
        is_ready: whether it takes work.
        trouble: why it takes none, in one line without secrets; empty when that is not known.
    """
    probes = {"/healthz": is_alive, "/readyz": is_ready}

    class Probe(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(HTTPStatus.OK, metrics.render(metrics.WORKER), metrics.CONTENT_TYPE)
            elif probe := probes.get(path):
                status, word = (HTTPStatus.OK, "ok") if probe() else (HTTPStatus.SERVICE_UNAVAILABLE, "no")
                why = trouble() if probe is is_ready and status is not HTTPStatus.OK else ""
                self._answer(status, f"{word}{why and ': '}{why}\n".encode(), "text/plain; charset=utf-8")
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _answer(self, status: HTTPStatus, body: bytes, media_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Log nothing: probes come every few seconds."""

    server = _Server(("", port), Probe)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
