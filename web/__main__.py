"""`python -m web`: the HTTP service."""

import logging
import os
import signal
import sys

import uvicorn

from common.clouds import CLOUDS
from common.config.env import WrongSetting
from common.config.settings import WebSettings, load_environment
from common.telemetry import logs
from common.telemetry.metrics import VERSION
from web.app import create_app
from web.http.protocol import MAX_HEAD_BYTES, ConnectionLimit, make_protocol, raise_file_limit

logger = logging.getLogger("web")

# A callback may wait for the cloud (15 s), for the broker (10 s), and for a message in doubt to be withdrawn (5 s).
GRACE_SECONDS = 32


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    try:
        settings = WebSettings.read(load_environment(), {cloud.name: cloud.variables for cloud in CLOUDS})
    except WrongSetting as error:
        print(f"web: {error}", file=sys.stderr)  # noqa: T201 - there are no logs yet
        return 2
    logs.configure(settings.log_level, settings.log_format, {"service": "web", "version": VERSION})
    logger.info("web starts", extra=settings.list_fields())
    if not settings.clouds:
        logger.warning("no cloud is configured: every request will be refused")
    # uvicorn stops cleanly on these, then raises them again for the handlers before its own; the default would end with
    # an error.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    raise_file_limit()
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings, lambda: server.should_exit),
            host=settings.host,
            port=settings.port,
            http=make_protocol(ConnectionLimit()),
            ws="none",
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            log_config=None,
            access_log=False,
            proxy_headers=True,
            forwarded_allow_ips=settings.forwarded_allow_ips,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    server.run()
    logger.info("web stops")
    logging.shutdown()
    # Not sys.exit, which joins threads: a publish that a broker without its majority never answers holds one for ever.
    os._exit(0 if server.started else 1)


if __name__ == "__main__":
    sys.exit(main())
