"""`GET /cloud_archive/callback/{cloud_type}`: a guest is back from the consent page; their answer becomes a job."""

import hashlib
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol, cast
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from common.clouds.base import CloudAuth
from common.config.settings import WebSettings
from common.errors import ArchiveError, Reason
from common.http.urls import LinkRefused, check_link
from common.messages.archive_job import ArchiveJob, grant_context
from common.messages.progress import Progress, State
from common.messages.publisher import InDoubt
from common.messages.topology import EXCHANGE, JOB_KEY
from common.messages.verdict import make_ticket
from common.telemetry import logs, metrics
from common.telemetry import trace_context as tracing
from common.telemetry.trace_context import Trace
from web.api.archives import callback_uri
from web.consent.callback_results import Outcomes
from web.consent.oauth_state import Promise, PromiseVoid, open_promise
from web.http.bounded_executor import BoundedExecutor, Overloaded
from web.http.headers import prefers_html
from web.http.problems import describe, problem_response
from web.http.rate_limit import Quota, TooOften, refuse_often
from web.pages.render import HEADERS, later_page, void_page
from web.progress.store import ProgressStore

logger = logging.getLogger(__name__)

# Hundreds of a wedding's guests come back within a minute, some 5 a second; each holds a thread for as long as its
# cloud takes to answer: 6 s may it take then, and mostly takes one. More would fight for the interpreter when a slow
# cloud answers all of them at once: with 64 a probe took twice as long (`bench/burst.py`).
MAX_THREADS = 32
# Who finds no thread waits as long as a browser's user does before pressing again. Each costs some 45 kB meanwhile, of
# which Python gives little back: so many are 11 MB. The others get a page that comes again by itself, not all at once.
MAX_QUEUED, QUEUE_TIMEOUT_SECONDS = 250, 20.0
BUSY_SECONDS = range(5, 16)


class MessagePublisher(Protocol):
    """What puts a message into a queue, like `common.messages.publisher.Publisher`."""

    def publish(
        self, exchange: str, routing_key: str, body: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Return when the message is in a queue; raises Transient when it is not, InDoubt when nobody knows."""
        ...

    def withdraw(self, ticket: str) -> bool:
        """Withdraw a message in doubt; return whether it is, or a worker has it; raises Transient if nobody knows."""
        ...


class Callback:
    """Takes guests' answers. For one event loop.

    Args:
        settings: of this process.
        clouds: the auth half of every configured cloud, by its name.
        publisher: puts jobs into the queue.
        store: what is known of jobs, from every replica.
        publish_progress: tells every replica of a change.
        now: Unix time in seconds.
    """

    def __init__(
        self,
        settings: WebSettings,
        clouds: Mapping[str, CloudAuth],
        publisher: MessagePublisher,
        store: ProgressStore,
        publish_progress: Callable[[Progress], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._clouds = clouds
        self._publisher = publisher
        self._store = store
        self._tell = publish_progress
        self._now = now
        self._outcomes = Outcomes()
        # All that waits for a cloud or the broker does so here, and only other callbacks wait for it.
        self._executor = BoundedExecutor(
            "callback", max_threads=MAX_THREADS, max_queued=MAX_QUEUED, queue_timeout=QUEUE_TIMEOUT_SECONDS
        )
        self._states = Quota("state", settings.rate_limit_per_minute, now)

    def close(self) -> None:
        """Begin nothing any more."""
        self._executor.close()

    async def receive(self, cloud_type: str, query: list[tuple[str, str]]) -> str:
        """Return the link that a guest goes to, after their job is in the queue or cannot be.

        Args:
            cloud_type: the cloud they come back from.
            query: of the callback, in its order.

        Raises:
            PromiseVoid: this is no answer to anything we asked.
            TooOften: this very promise was asked for too often; nothing was begun.
            Overloaded: too many guests are back at once; nothing was begun.
        """
        answer = dict(query)
        if len(answer) != len(query):
            raise PromiseVoid("a parameter stands twice")
        promise = self._open(cloud_type, answer.pop("state", ""))
        trace = tracing.read_trace(promise.traceparent) or tracing.current()
        logs.note(job_id=promise.job_id, trace_id=trace.trace_id)
        self._states.demand(promise.job_id)
        if self._is_promised(promise):
            return promise.success_link
        brought = hashlib.sha256(f"{answer.get('code')} {answer.get('error')}".encode()).hexdigest()

        async def attempt() -> bool:
            return await self._executor.run(lambda: self._try(promise, trace, cloud_type, answer))

        kept = await self._outcomes.once(promise.job_id, brought, attempt)
        return promise.success_link if kept else promise.fail_link

    def _open(self, cloud_type: str, state: str) -> Promise:
        if cloud_type not in self._clouds:
            raise PromiseVoid("no such cloud")
        promise = open_promise(self._settings.sealer, cloud_type, state, self._now())
        # The hosts that are allowed may be fewer than an hour ago.
        for link in (promise.success_link, promise.fail_link):
            try:
                check_link(link, self._settings.redirect_hosts, local=self._settings.allow_local_network)
            except LinkRefused:
                raise PromiseVoid("its links are not allowed any more") from None
        return promise

    def _is_promised(self, promise: Promise) -> bool:
        """Say whether the same answer came before, to whatever replica: its code is used up, the job is on its way."""
        known = self._store.find(promise.job_id)
        return known is not None and not known.may_begin_anew

    def _try(self, promise: Promise, trace: Trace, cloud_type: str, answer: Mapping[str, str]) -> bool:
        about = {"job_id": promise.job_id, "cloud_type": cloud_type}
        # Before a worker can have it: what that one says comes after what is said here.
        before = self._store.find(promise.job_id)
        try:
            self._keep(promise, trace, cloud_type, answer)
        except ArchiveError as error:
            # A double click reaches two replicas at once: the slower one finds the code used up by the other.
            if self._is_promised(promise):
                return True
            telling = {**about, "reason": error.reason, "detail": error.detail}
            if error.reason is Reason.APP_REFUSED:
                metrics.count_app_refusal(cloud_type)
                # Its trace would tell nothing more.
                logger.error("the cloud refuses this service: mend its registration there", extra=telling)  # noqa: TRY400
            else:
                logger.warning("archive not begun", extra=telling)
            self._report(promise, cloud_type, before, State.FAILED, error.reason)
            return False
        except Exception:  # whatever broke, the guest must get somewhere
            logger.exception("archive not begun", extra=about)
            self._report(promise, cloud_type, before, State.FAILED, Reason.TRY_LATER)
            return False
        logger.info("archive begun", extra={**about, "archive_type": promise.archive_type})
        self._report(promise, cloud_type, before, State.QUEUED, "")
        return True

    def _report(self, promise: Promise, cloud_type: str, before: Progress | None, state: State, reason: str) -> None:
        now = self._now()
        self._tell(
            Progress(
                job_id=promise.job_id,
                cloud_type=cloud_type,
                archive_type=promise.archive_type,
                gallery_name=promise.gallery_name,
                state=state,
                reason=reason,
                created_at=promise.issued_at,
                updated_at=now,
                finished_at=now if state.is_final else 0.0,
                claim=before.claim if before else -1,
                number=before.number + 1 if before else 0,
            )
        )

    def _keep(self, promise: Promise, trace: Trace, cloud_type: str, answer: Mapping[str, str]) -> None:
        redirect_uri = callback_uri(self._settings, cloud_type)
        grant = self._clouds[cloud_type].exchange(answer, redirect_uri, promise.verifier)
        job = ArchiveJob(
            id=promise.job_id,
            cloud_type=cloud_type,
            archive_type=promise.archive_type,
            archive_url=promise.archive_url,
            gallery_name=promise.gallery_name,
            grant=self._settings.sealer.seal(grant.to_text(), grant_context(promise.job_id)),
            created_at=datetime.fromtimestamp(promise.issued_at, UTC).isoformat(),
            traceparent=trace.next().header,
            ticket=make_ticket(),
        )
        try:
            self._publisher.publish(EXCHANGE, JOB_KEY, job.encode(), message_id=job.id, headers=job.headers)
        except InDoubt:
            # It may land when the guest is long gone. Success or failure, it must be what the worker will find.
            if self._publisher.withdraw(job.ticket):
                raise


def make_router(callback: Callback) -> APIRouter:
    """Return the route."""
    router = APIRouter()

    @router.get(
        "/cloud_archive/callback/{cloud_type}",
        summary="Where a cloud's consent page sends the guest back to",
        response_class=Response,
        status_code=303,
        responses={
            303: {"description": "To the success link when the archive has begun, else to the fail link."},
            400: {"description": "A page for the guest: this is no answer to anything we asked.", "content": _HTML},
            429: _describe_later("Too many from one address or with one state; the same callback counts later."),
            503: _describe_later("Too many guests are back at once; the same callback counts later."),
            "default": describe("Anything else."),
        },
    )
    async def get_callback(cloud_type: str, request: Request) -> Response:
        """Take a guest's answer, put the archive into the queue, and send the guest on."""
        try:
            link = await callback.receive(cloud_type, request.query_params.multi_items())
        except PromiseVoid as error:
            logger.warning("callback refused", extra={"reason": str(error)})
            return void_page(request.headers.get("accept-language", ""))
        except TooOften as often:
            return refuse_often(often, request.headers)
        except Overloaded:
            logger.warning("callback put off: too many guests are back at once")
            return _put_off(request.headers)
        return Response(status_code=303, headers={**HEADERS, "Location": as_header(link)})

    return router


_HTML = {"text/html": {"schema": {"type": "string"}}}


def _describe_later(description: str) -> dict[str, object]:
    """Return how OpenAPI describes an answer that is a page for browsers, a problem for others, with Retry-After."""
    problem = describe(f"{description} Retry-After says when. Browsers get a page.")
    return {**problem, "content": {**cast(dict[str, object], problem["content"]), **_HTML}}


def _put_off(headers: Mapping[str, str]) -> Response:
    told = {"Retry-After": str(secrets.choice(BUSY_SECONDS))}
    if prefers_html(headers.get("accept", "")):
        return later_page(headers.get("accept-language", ""), 503, told)
    return problem_response(503, "too_many_guests", "Too many guests are back at once; try again soon.", headers=told)


def as_header(link: str) -> str:
    """Return a link unchanged, but for what no header can carry: that is encoded as a browser would."""
    return re.sub(r"[^\x21-\x7e]+", lambda found: quote(found[0]), link)
