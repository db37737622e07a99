"""`python -m worker`: the queue's consumer."""

import logging
import os
import signal
import sys
from functools import partial

from common import logs
from common.clouds import CLOUDS
from common.environment import WrongSetting
from common.errors import Reason
from common.httpclient import HttpClient
from common.publisher import Publisher
from common.settings import WorkerSettings, load_environment
from common.topology import DEAD_EXCHANGE, REASON_HEADER
from worker.consumer import Consumer
from worker.gallery import Gallery
from worker.health import serve_health
from worker.keeper import Keeper, open_storage
from worker.stopping import Stop

logger = logging.getLogger("worker")

# Longer than the longest wait of the connection's thread: reconnecting takes it half a minute at most.
LONGEST_SILENCE = 90.0


def main() -> int:
    """Run until SIGTERM or SIGINT; return the exit status."""
    try:
        settings = WorkerSettings.read(load_environment(), {cloud.name: cloud.variables for cloud in CLOUDS})
    except WrongSetting as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201 - there are no logs yet
        return 2
    logs.configure(settings.log_level, settings.log_format)
    if settings.allow_local_network:
        logger.warning("ALLOW_LOCAL_NETWORK is on: plain http and private addresses are let through")
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    consumer = make_consumer(settings, stop)
    health = serve_health(
        settings.port,
        is_alive=lambda: consumer.idle_seconds < LONGEST_SILENCE,
        is_ready=lambda: consumer.is_ready,
    )
    logger.info("the worker starts", extra={"clouds": ",".join(settings.clouds), "jobs": settings.jobs})
    consumer.run()
    health.shutdown()
    logger.info("the worker stops")
    logging.shutdown()
    # A job that did not end in time is let go: its message has returned, and nobody waits for its threads.
    os._exit(0)


def make_consumer(settings: WorkerSettings, stop: Stop) -> Consumer:
    """Wire the rooms of the worker together; the only place that does."""
    connections = settings.jobs * settings.photos
    gallery = Gallery(
        HttpClient(connections=connections, ca_bundle=settings.ca_bundle, reason=Reason.PHOTO_UNAVAILABLE),
        base_url=settings.gallery_base_url,
        photo_hosts=settings.photo_hosts,
        done_url=settings.done_url,
        local=settings.allow_local_network,
    )
    cloud = HttpClient(connections=connections, ca_bundle=settings.ca_bundle, reason=Reason.CLOUD_UNAVAILABLE)
    publisher = Publisher(settings.rabbitmq_url, "cloud_archive worker publishes")

    def bury(body: bytes, reason: str) -> None:
        publisher.publish(DEAD_EXCHANGE, "", body, message_id="", headers={REASON_HEADER: reason})

    keeper = Keeper(settings, gallery, partial(open_storage, settings, cloud), stop)
    return Consumer(
        settings.rabbitmq_url,
        keeper.keep,
        bury,
        jobs=settings.jobs,
        stop=stop,
        grace=settings.shutdown_grace_seconds,
    )


if __name__ == "__main__":
    sys.exit(main())
