"""`/healthz` and `/readyz` of a process that serves no users. Knows two questions and nothing else."""

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


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
            question = questions.get(self.path.partition("?")[0])
            if question is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            status = HTTPStatus.OK if question() else HTTPStatus.SERVICE_UNAVAILABLE
            body = b"ok\n" if status is HTTPStatus.OK else b"no\n"
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Probes come every few seconds; nobody wants to read of them."""

    server = ThreadingHTTPServer(("", port), Probe)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
