"""Complete a consent: exchange the guest's answer for a grant, and put the job into the queue."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from common.clouds import advise_on_refusal
from common.clouds.base import CloudAuth
from common.config.settings import WebSettings
from common.errors import ArchiveError, Reason, Transient
from common.messages.archive_job import ArchiveJob, archive_path, grant_context
from common.messages.progress import Progress, State
from common.messages.publisher import InDoubt
from common.messages.topology import EXCHANGE, JOB_KEY
from common.messages.verdict import make_ticket
from common.telemetry import logs, metrics
from common.telemetry import trace_context as tracing
from common.telemetry.trace_context import Trace
from web.consent.callback_results import CallbackResults
from web.consent.gallery_request import GalleryRequest, are_allowed
from web.consent.oauth_state import InvalidState, OAuthState, open_state, redirect_uri
from web.http.bounded_executor import BoundedExecutor
from web.http.rate_limit import Quota
from web.progress.store import ProgressStore

logger = logging.getLogger(__name__)

# Hundreds of a wedding's guests come back within a minute, some 5 a second; each holds a thread for as long as its
# cloud takes to answer: mostly 1 s, and with 32 threads up to 6 s do no harm. More would fight for the interpreter when
# a slow cloud answers all of them at once: with 64 a probe took twice as long (`bench/burst.py`).
MAX_THREADS = 32
# A callback that finds no thread waits about as long as people do before they press again. Each costs 45 kB meanwhile,
# of which Python gives little back: 250 are 11 MB. Further ones get a page that reloads itself, at different moments.
MAX_QUEUED, QUEUE_TIMEOUT_SECONDS = 250, 20.0


class MessagePublisher(Protocol):
    """Publish messages with confirms, as `common.messages.publisher.Publisher` does."""

    def publish(
        self, exchange: str, routing_key: str, body: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Return when the message is in a queue; raises Transient when it is not, InDoubt when nobody knows."""
        ...

    def withdraw(self, ticket: str) -> bool:
        """Withdraw a message in doubt; return whether it is, or a worker has it; raises Transient if nobody knows."""
        ...


class NotQueued(Transient):
    """The guest agreed and their cloud gave a grant, but the broker did not take the job: that is ours."""


class ConsentCompletion:
    """Turn guests' answers into jobs. For one event loop.

    Args:
        settings: of this process.
        clouds: the auth half of every configured cloud, by its name.
        publisher: puts jobs into the queue.
        store: of this replica.
        publish_progress: publishes a change to every replica.
        now: Unix time in seconds.
    """

    def __init__(
        self,
        settings: WebSettings,
        clouds: Mapping[str, CloudAuth],
        publisher: MessagePublisher,
        store: ProgressStore,
        publish_progress: Callable[[Progress], None],
        now: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._clouds = clouds
        self._publisher = publisher
        self._store = store
        self._publish_progress = publish_progress
        self._now = now
        self._results = CallbackResults()
        # Whatever waits for a cloud or the broker waits here, so that only callbacks wait for it.
        self._executor = BoundedExecutor(
            "callback", max_threads=MAX_THREADS, max_queued=MAX_QUEUED, queue_timeout=QUEUE_TIMEOUT_SECONDS
        )
        self._quota = Quota("state", settings.rate_limit_per_minute, now)

    def close(self) -> None:
        """Accept no further callbacks."""
        self._executor.close()

    async def complete(self, cloud_type: str, query: list[tuple[str, str]]) -> str:
        """Return the link that the guest goes to: the job is in the queue, or did not begin.

        Args:
            cloud_type: the cloud they come back from.
            query: names and values of the callback's query, in order.

        Raises:
            InvalidState: the callback belongs to no request of ours.
            QuotaExceeded: too many callbacks with this state; nothing was begun.
            Overloaded: too many callbacks at once; nothing was begun.
        """
        answer = dict(query)
        if len(answer) != len(query):
            raise InvalidState("a parameter stands twice")
        state = self._open_state(cloud_type, answer.pop("state", ""))
        trace = tracing.read_trace(state.traceparent) or tracing.current_trace()
        logs.bind_fields(job_id=state.job_id, archive=archive_path(state.archive_url), trace_id=trace.trace_id)
        self._quota.consume(state.job_id)
        if self._is_queued(state):
            return self._link(state, is_queued=True)
        digest = hashlib.sha256(f"{answer.get('code')} {answer.get('error')}".encode()).hexdigest()

        async def attempt() -> bool:
            return await self._executor.run(lambda: self._attempt(state, trace, cloud_type, answer))

        is_queued = await self._results.get_or_attempt(state.job_id, digest, attempt)
        return self._link(state, is_queued=is_queued)

    def _link(self, state: OAuthState, *, is_queued: bool) -> str:
        if state.page_language:
            return f"{self._settings.public_base_url}/cloud_archive/jobs/{state.job_id}?lang={state.page_language}"
        return state.success_link if is_queued else state.fail_link

    def _open_state(self, cloud_type: str, sealed: str) -> OAuthState:
        if cloud_type not in self._clouds:
            raise InvalidState("no such cloud")
        try:
            state = open_state(self._settings.sealer, cloud_type, sealed, self._now())
        except InvalidState as error:
            way_back = error.way_back if are_allowed(self._settings, error.way_back) else ""
            raise InvalidState(str(error), way_back) from None
        # Fewer hosts may be allowed than when it was sealed.
        if not are_allowed(self._settings, state.success_link, state.fail_link):
            raise InvalidState("its links are not allowed any more")
        return state

    def _is_queued(self, state: OAuthState) -> bool:
        """Return whether any replica has queued the job already; the code is used up then."""
        known = self._store.find(state.job_id)
        return known is not None and not known.may_begin_anew

    def _attempt(self, state: OAuthState, trace: Trace, cloud_type: str, answer: Mapping[str, str]) -> bool:
        about = {"job_id": state.job_id, "cloud_type": cloud_type}
        # Read before a worker can have the job: whatever that one publishes is newer than what is published here.
        before = self._store.find(state.job_id)
        try:
            self._queue_job(state, trace, cloud_type, answer)
        except ArchiveError as error:
            # A double click may reach two replicas at once: the slower one finds the code used up by the other.
            if self._is_queued(state):
                return True
            fields = {**about, "reason": error.reason, "detail": error.detail}
            if error.reason is Reason.APP_REFUSED:
                metrics.count_app_refusal(cloud_type)
                # A traceback would say nothing more.
                logger.error("%s", advise_on_refusal(cloud_type, error.detail), extra=fields)  # noqa: TRY400
            else:
                logger.warning("archive not begun", extra=fields)
            is_ours = isinstance(error, NotQueued)
            metrics.count_callback(cloud_type, metrics.BROKER_UNAVAILABLE if is_ours else error.reason)
            self._publish_state(state, cloud_type, before, State.FAILED, error.reason)
            return False
        except Exception:  # whatever broke, the guest must get somewhere
            logger.exception("archive not begun", extra=about)
            metrics.count_callback(cloud_type, Reason.INTERNAL)
            self._publish_state(state, cloud_type, before, State.FAILED, Reason.TRY_LATER)
            return False
        logger.info("archive begun", extra={**about, "archive_type": state.archive_type})
        metrics.count_callback(cloud_type, metrics.QUEUED)
        self._publish_state(state, cloud_type, before, State.QUEUED, "")
        return True

    def _publish_state(
        self, oauth: OAuthState, cloud_type: str, before: Progress | None, state: State, reason: str
    ) -> None:
        now = self._now()
        request = GalleryRequest(oauth.archive_url, oauth.success_link, oauth.fail_link)
        self._publish_progress(
            Progress(
                job_id=oauth.job_id,
                cloud_type=cloud_type,
                archive_type=oauth.archive_type,
                gallery_name=oauth.gallery_name,
                archive=archive_path(oauth.archive_url),
                request=request.seal(self._settings.sealer, oauth.job_id),
                state=state,
                reason=reason,
                created_at=oauth.issued_at,
                updated_at=now,
                finished_at=now if state.is_final else 0.0,
                claim=before.claim if before else -1,
                number=before.number + 1 if before else 0,
            )
        )

    def _queue_job(self, state: OAuthState, trace: Trace, cloud_type: str, answer: Mapping[str, str]) -> None:
        uri = redirect_uri(self._settings.public_base_url, cloud_type)
        grant = self._clouds[cloud_type].exchange(answer, uri, state.verifier)
        job = ArchiveJob(
            id=state.job_id,
            cloud_type=cloud_type,
            archive_type=state.archive_type,
            archive_url=state.archive_url,
            gallery_name=state.gallery_name,
            grant=self._settings.sealer.seal(grant.to_text(), grant_context(state.job_id)),
            created_at=datetime.fromtimestamp(state.issued_at, UTC).isoformat(),
            traceparent=trace.next().header,
            ticket=make_ticket(),
        )
        try:
            self._publish(job)
        except Transient as error:
            raise NotQueued(error.reason, error.detail) from error

    def _publish(self, job: ArchiveJob) -> None:
        try:
            self._publisher.publish(EXCHANGE, JOB_KEY, job.encode(), message_id=job.id, headers=job.headers)
        except InDoubt:
            # The message may still arrive, long after the guest is gone. What the guest is told must be what the worker
            # finds.
            if self._publisher.withdraw(job.ticket):
                raise
