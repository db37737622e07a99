"""`/healthz`, `/readyz` and `/metrics` of a process that serves no users. Knows no archive."""

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from common import metrics


def serve_health(port: int, *, is_alive: Callable[[], bool], is_ready: Callable[[], bool]) -> ThreadingHTTPServer:
    """Answer the probes of an orchestrator on a thread of their own; shut the returned server down at the end.

    Args:
        port: where to listen, on every address.
        is_alive: whether the process still moves; never asks anybody else.
        is_ready: whether it takes work.
    """
    questions = {"/healthz": is_alive, "/readyz": is_ready}

    class Probe(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(HTTPStatus.OK, metrics.render(metrics.WORKER), metrics.CONTENT_TYPE)
            elif question := questions.get(path):
                status, word = (HTTPStatus.OK, b"ok\n") if question() else (HTTPStatus.SERVICE_UNAVAILABLE, b"no\n")
                self._answer(status, word, "text/plain; charset=utf-8")
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

    server = ThreadingHTTPServer(("", port), Probe)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
