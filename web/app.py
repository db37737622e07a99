"""The application: routes, middleware and what they work with, wired together in this module only."""

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol

from fastapi import FastAPI

from common.clouds import CLOUDS
from common.clouds.base import CloudAuth
from common.config.settings import WebSettings, allow_oauthlib_http
from common.errors import Reason, Transient
from common.http.client import HttpClient
from common.messages.progress import Progress
from common.messages.publisher import Publisher
from common.telemetry.upstreams import cloud_observer
from web.api import archives, callback, cancel, events, operations, status
from web.consent.completion import ConsentCompletion, MessagePublisher
from web.http import problems
from web.http.middleware import AccessLog, BodyLimit, Cors, ServerErrors
from web.http.rate_limit import RateLimit
from web.http.readiness import Readiness, SharedReadiness
from web.http.request_id import RequestId
from web.pages.routes import JobPages
from web.progress.lookup import JobLookup
from web.progress.publisher import ProgressPublisher
from web.progress.store import ProgressStore
from web.progress.subscriber import ProgressSubscriber

logger = logging.getLogger("web")

DESCRIPTION = "Saves a gallery's photos into its guest's own cloud, every photo once, byte for byte."


class Broker(MessagePublisher, Protocol):
    """Publish messages and check the broker, as `common.messages.publisher.Publisher` does."""

    def check(self) -> None:
        """Return if the broker can be reached; raises Transient if it cannot."""
        ...

    def check_room(self) -> None:
        """Return if a job could be published now; raises Transient if it could not."""
        ...

    def close(self) -> None:
        """Let running publishes end."""
        ...


class Subscriber(Protocol):
    """Receive progress, as `web.progress.subscriber.ProgressSubscriber` does."""

    @property
    def is_caught_up(self) -> bool:
        """Whether all earlier snapshots have been read."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether its threads move."""
        ...

    def note_watched(self, job_id: str) -> None:
        """Ask workers for frequent snapshots of a job that somebody looks at; never waits."""
        ...

    def start(self) -> None:
        """Start receiving."""
        ...

    def close(self) -> None:
        """Stop receiving."""
        ...


def create_app(settings: WebSettings, is_stopping: Callable[[], bool]) -> FastAPI:
    """Return the application for these settings, with the real broker.

    Args:
        settings: of this process.
        is_stopping: whether the server ends as soon as no request is under way.
    """
    publisher = Publisher(settings.rabbitmq_url, "cloud_archive web")
    store = ProgressStore()
    subscriber = ProgressSubscriber(settings.rabbitmq_url, store)
    changes = ProgressPublisher(publisher, store, is_stopping)
    return wire(
        settings,
        publisher,
        store,
        changes.publish,
        subscriber,
        is_stopping=is_stopping,
        publish_now=changes.publish_now,
    )


def wire(
    settings: WebSettings,
    broker: Broker,
    store: ProgressStore,
    publish_progress: Callable[[Progress], None],
    subscriber: Subscriber,
    now: Callable[[], float] = time.time,
    is_stopping: Callable[[], bool] = lambda: False,
    publish_now: Callable[[Progress], None] | None = None,
) -> FastAPI:
    """Put the application together.

    Args:
        settings: of this process.
        broker: publishes jobs; closed with the application.
        store: of this replica.
        publish_progress: publishes a change to every replica.
        subscriber: fills the store while the application runs.
        now: Unix time in seconds.
        is_stopping: as in `create_app`.
        publish_now: the same as `publish_progress`, but returns when the change is shown; by default that.
    """
    for doubt in settings.warnings:
        logger.warning("a setting: %s", doubt)
    if settings.network.allow_private:
        logger.warning("ALLOW_LOCAL_NETWORK is on: plain http and private addresses are let through")
        allow_oauthlib_http()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        subscriber.start()
        yield
        subscriber.close()
        broker.close()
        cancellations.close()
        completion.close()

    def check_ready() -> None:
        # First: its error says what keeps the streams from being read.
        broker.check()
        if not subscriber.is_caught_up:
            raise Transient(Reason.TRY_LATER, "the past is still being read")

    app = FastAPI(
        title="cloud_archive",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
        redoc_url=None,
        # Some clients lose the body of a POST that is redirected: 404 says what is wrong.
        redirect_slashes=False,
        # No spans are recorded (see `common.telemetry.trace_context`), and none may see a callback's query.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    clouds = _open_clouds(settings)
    jobs = JobLookup(settings.sealer, store, now, lambda: subscriber.is_caught_up, subscriber.note_watched)
    publish_end = partial(cancel.publish_if_idle, store, publish_now or publish_progress, now)
    cancellations = cancel.Cancellations(broker, publish_end)
    completion = ConsentCompletion(settings, clouds, broker, store, publish_progress, now)
    # Until the first answer guests are sent on: most brokers are there.
    room = Readiness(broker.check_room, is_presumed=True, complaint="no archive can begin")
    asked = archives.Archives(settings, clouds, now, SharedReadiness(room, "room").is_ready)
    app.router.routes.extend(JobPages(settings, jobs, cancellations.cancel, asked, now).routes)
    app.include_router(archives.make_router(asked))
    app.include_router(callback.make_router(completion, f"{settings.gallery_base_url}/"))
    app.include_router(cancel.make_router(settings.sealer, cancellations.cancel))
    app.include_router(status.make_router(jobs.find_newest))
    app.include_router(events.make_router(jobs.find_newest, events.StreamLimit(), is_stopping))
    app.include_router(operations.make_router(Readiness(check_ready), lambda: subscriber.is_alive))
    problems.install(app)
    # The last one added is the first one met.
    app.add_middleware(ServerErrors)
    app.add_middleware(BodyLimit)
    if settings.rate_limit_per_minute:
        app.add_middleware(RateLimit, per_minute=settings.rate_limit_per_minute, now=now)
    app.add_middleware(Cors, hosts=settings.cors_hosts, policy=settings.network)
    app.add_middleware(AccessLog)
    app.add_middleware(RequestId)
    return app


def _open_clouds(settings: WebSettings) -> dict[str, CloudAuth]:
    """Return the auth half of every cloud that the settings offer."""
    http = HttpClient(connections=1, policy=settings.network, reason=Reason.TRY_LATER)
    return {
        cloud.name: cloud.auth(settings.clouds[cloud.name], http.observed_by(cloud_observer(cloud)))
        for cloud in CLOUDS
        if cloud.name in settings.clouds
    }
