"""`POST /cloud_archive`: validate a gallery's request and answer with the cloud's consent page."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import APIRouter, Body, Header, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from common.clouds.base import CloudAuth, StateTooLong
from common.clouds.oauth2 import make_verifier
from common.config.settings import WebSettings
from common.http.network_policy import ANY_NETWORK
from common.http.urls import LinkRefused, check_link, check_path, decode_fully
from common.messages.archive_job import ARCHIVE_TYPES, MAX_NAME, archive_path
from common.messages.job_id import make_job_id
from common.telemetry import logs, metrics
from common.telemetry import trace_context as tracing
from web.consent.idempotency import TTL_SECONDS, IdempotencyCache, KeyMalformed, KeyReused
from web.consent.oauth_state import ArchiveType, OAuthState, redirect_uri
from web.http.problems import FieldProblem, ProblemWithCode, RequestRefused, describe, problem_response
from web.http.rate_limit import CLIENTS_PER_ARCHIVE, Quota, QuotaExceeded

# When the broker is away, or an alarm is on: how soon it is worth asking again.
RETRY_AFTER_SECONDS = 5
# Fields of any length that travel in the state.
_LONG_FIELDS = ("redirect_success_link", "redirect_fail_link", "archive_url", "gallery_name")
# Unicode's categories Cc, Zl, Zp and Cs: controls, separators of lines and paragraphs, lone surrogates.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class ArchiveRequest(BaseModel):
    """What the gallery sends."""

    redirect_success_link: str = Field(description="Where the guest goes when the archive has begun; https.")
    redirect_fail_link: str = Field(description="Where the guest goes when it has not; https.")
    archive_url: str = Field(description="The gallery's own link for downloading everything.")
    gallery_name: str = Field(description=f"The name of the folder in the cloud, 1 to {MAX_NAME} characters.")
    archive_type: str = Field(json_schema_extra={"enum": list(ARCHIVE_TYPES)})
    cloud_type: str = Field(description="Where to, one of the clouds that are configured here.")


class ArchiveAnswer(BaseModel):
    """Where to send the guest, and how to follow the archive."""

    redirect_to: str = Field(description="The cloud's consent page: send the guest's browser there.")
    job_id: str = Field(description="Names the archive. Whoever has it may read the archive's status.")
    status_url: str = Field(description="Where the archive's status is read.")


_REQUEST_EXAMPLE = {
    "redirect_success_link": "https://app.litegallery.io/saved/",
    "redirect_fail_link": "https://app.litegallery.io/not-saved/",
    "archive_url": "https://arch-d.lite.gallery/g/api/stream/858329/f9d24b1dfb81a1bfa215cc008f46f3d3?mod=web",
    "gallery_name": "Название галереи",
    "archive_type": "originals",
    "cloud_type": "google_drive",
}
_ANSWER_EXAMPLE = {
    "redirect_to": "https://accounts.google.com/o/oauth2/v2/auth?response_type=code&client_id=…&state=…",
    "job_id": "Zq0fXr5mB1tq3yJ8n2cV7w",
    "status_url": "https://app.litegallery.io/cloud_archive/jobs/Zq0fXr5mB1tq3yJ8n2cV7w",
}

_KEY_DESCRIPTION = (
    "A UUID, fresh for each press of the button: the same body under the same key "
    f"gets the same answer for {TTL_SECONDS / 60:.0f} minutes, as long as the same process answers."
)


class Archives:
    """Check what galleries ask for, and answer with a cloud's consent page. Thread-safe but for `can_begin`.

    Args:
        settings: of this process.
        clouds: the auth half of every configured cloud, by its name.
        now: Unix time in seconds.
        can_begin: whether the broker would take a job now.
    """

    def __init__(
        self,
        settings: WebSettings,
        clouds: Mapping[str, CloudAuth],
        now: Callable[[], float],
        can_begin: Callable[[], Awaitable[bool]],
    ) -> None:
        self._settings = settings
        self._clouds = clouds
        self._now = now
        self._can_begin = can_begin
        self._quota = Quota("archive", CLIENTS_PER_ARCHIVE * settings.rate_limit_per_minute, now)

    async def check(self, asked: ArchiveRequest) -> None:
        """Return if an archive may begin.

        Raises:
            RequestRefused: fields that cannot be used.
            QuotaExceeded: the archive was asked for too often.
            ProblemWithCode: no archive can begin now.
        """
        if problems := list(_find_problems(asked, self._settings, self._clouds)):
            raise RequestRefused(problems)
        self._quota.consume(decode_fully(urlsplit(asked.archive_url).path))
        # A consent that leads to the fail link is worse than being asked to come again.
        if not await self._can_begin():
            metrics.count_turned_away(asked.cloud_type)
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            raise ProblemWithCode(503, "try_later", "No archive can begin right now.", headers)

    def begin(self, asked: ArchiveRequest, page_language: str = "") -> ArchiveAnswer:
        """Return the consent page, and how to follow the archive.

        Args:
            asked: was checked.
            page_language: as of `OAuthState`.

        Raises:
            RequestRefused: the cloud cannot carry all that.
        """
        state = OAuthState(
            job_id=make_job_id(self._settings.sealer, self._now()),
            issued_at=int(self._now()),
            verifier=make_verifier(),
            archive_type=cast(ArchiveType, asked.archive_type),
            archive_url=asked.archive_url,
            gallery_name=asked.gallery_name,
            success_link=asked.redirect_success_link,
            fail_link=asked.redirect_fail_link,
            traceparent=tracing.current_trace().header,
            page_language=page_language,
        )
        logs.bind_fields(job_id=state.job_id, archive=archive_path(asked.archive_url))
        return ArchiveAnswer(
            redirect_to=_consent_url(asked, state, self._settings, self._clouds[asked.cloud_type]),
            job_id=state.job_id,
            status_url=f"{self._settings.public_base_url}/cloud_archive/jobs/{state.job_id}",
        )


def make_router(archives: Archives) -> APIRouter:
    """Return the route.

    Args:
        archives: checks and answers.
    """
    router = APIRouter()
    answers = IdempotencyCache[ArchiveAnswer]()

    @router.post(
        "/cloud_archive",
        summary="Save a gallery into its guest's cloud",
        response_model=ArchiveAnswer,
        responses={
            200: {"content": {"application/json": {"example": _ANSWER_EXAMPLE}}},
            400: describe("The Idempotency-Key is no UUID."),
            413: describe("The body is larger than 16 KiB."),
            422: describe("The body is not JSON, a field cannot be used, or the Idempotency-Key had another body."),
            429: describe("Too many requests from one address or for one archive; Retry-After says for how long."),
            503: describe("No archive can begin right now; Retry-After says when to ask again."),
        },
    )
    async def post_cloud_archive(
        asked: Annotated[ArchiveRequest, Body(examples=[_REQUEST_EXAMPLE])],
        idempotency_key: Annotated[
            str | None,
            Header(alias="Idempotency-Key", description=_KEY_DESCRIPTION, json_schema_extra={"format": "uuid"}),
        ] = None,
    ) -> Response:
        """Return the consent page for a guest who wants a gallery in their cloud; they must agree there first."""
        # Not on a thread: it waits for nothing, but for the broker now and then.
        try:
            await archives.check(asked)
        except QuotaExceeded as error:
            return error.quota.problem_for(error.key)
        return _answer_once(answers, idempotency_key, asked, archives.begin)

    return router


def _answer_once(
    answers: IdempotencyCache[ArchiveAnswer],
    key: str | None,
    asked: ArchiveRequest,
    begin: Callable[[ArchiveRequest], ArchiveAnswer],
) -> Response:
    if key is None:
        return _answer(begin(asked))
    fingerprint = hashlib.sha256(asked.model_dump_json().encode()).digest()
    try:
        return _answer(answers.get_or_create(key, fingerprint, lambda: begin(asked)))
    except KeyMalformed:
        return problem_response(400, "key_malformed", "The Idempotency-Key must be a UUID.")
    except KeyReused:
        return problem_response(422, "key_reused", "The Idempotency-Key came with another body before.")


def _answer(archive: ArchiveAnswer) -> Response:
    return JSONResponse(archive.model_dump(), headers={"Cache-Control": "no-store"})


def _find_problems(
    asked: ArchiveRequest, settings: WebSettings, clouds: Mapping[str, CloudAuth]
) -> Iterator[FieldProblem]:
    messages = {
        "redirect_success_link": _find_link_problem(asked.redirect_success_link, settings),
        "redirect_fail_link": _find_link_problem(asked.redirect_fail_link, settings),
        "archive_url": _find_path_problem(asked.archive_url),
        "gallery_name": _find_name_problem(asked.gallery_name),
        "archive_type": _find_choice_problem(asked.archive_type, ARCHIVE_TYPES),
        "cloud_type": _find_choice_problem(asked.cloud_type, tuple(clouds)),
    }
    for field, message in messages.items():
        if message:
            yield FieldProblem(field=field, message=message)


def _find_link_problem(link: str, settings: WebSettings) -> str:
    try:
        check_link(link, settings.redirect_hosts, policy=settings.network)
    except LinkRefused as error:
        return str(error)
    return ""


def _find_path_problem(archive_url: str) -> str:
    """Return what is wrong with the path; the rest of the URL is not used."""
    try:
        check_path(check_link(archive_url, ("*",), policy=ANY_NETWORK).path)
    except LinkRefused as error:
        return str(error)
    return ""


def _consent_url(asked: ArchiveRequest, state: OAuthState, settings: WebSettings, cloud: CloudAuth) -> str:
    sealed = state.seal(settings.sealer, asked.cloud_type)
    try:
        return cloud.consent_url(redirect_uri(settings.public_base_url, asked.cloud_type), sealed, state.verifier)
    except StateTooLong:
        # All of them together are too long; the longest is the one to shorten.
        field = max(_LONG_FIELDS, key=lambda name: len(getattr(asked, name).encode()))
        message = "is longer than this cloud can carry along with the other fields"
        raise RequestRefused([FieldProblem(field=field, message=message)]) from None


def _find_name_problem(name: str) -> str:
    if not name.strip():
        return "must not be blank"
    if len(name) > MAX_NAME:
        return f"must have at most {MAX_NAME} characters"
    if _CONTROLS.search(name):
        return "must not hold control characters"
    return ""


def _find_choice_problem(word: str, words: tuple[str, ...]) -> str:
    return "" if word in words else f"must be one of: {', '.join(words)}"
