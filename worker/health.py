"""`/healthz`, `/readyz` and `/metrics` of a process that serves no users. Knows no archive."""

import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from common.telemetry import metrics

logger = logging.getLogger(__name__)

# Who has not asked by then, in seconds, is no probe: its thread is wanted back.
LONGEST_ASKING = 5.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """Tell what went wrong in our own way; the next one is answered all the same."""
        logger.warning("a probe was not answered", exc_info=True)


def serve_health(
    port: int, *, is_alive: Callable[[], bool], is_ready: Callable[[], bool], trouble: Callable[[], str] = lambda: ""
) -> ThreadingHTTPServer:
    """Answer the probes of an orchestrator on a thread of their own; shut the returned server down at the end.

    Args:
        port: where to listen, on every address.
        is_alive: whether the process still moves; never asks anybody else.
        is_ready: whether it takes work.
        trouble: why it takes none, in one line without secrets, as far as anybody knows.
    """
    questions = {"/healthz": is_alive, "/readyz": is_ready}

    class Probe(BaseHTTPRequestHandler):
        timeout = LONGEST_ASKING

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(HTTPStatus.OK, metrics.render(metrics.WORKER), metrics.CONTENT_TYPE)
            elif question := questions.get(path):
                status, word = (HTTPStatus.OK, "ok") if question() else (HTTPStatus.SERVICE_UNAVAILABLE, "no")
                why = trouble() if question is is_ready and status is not HTTPStatus.OK else ""
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
            """Probes come every few seconds; nobody wants to read of them."""

    server = _Server(("", port), Probe)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
