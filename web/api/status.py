"""`GET /cloud_archive/jobs/{job_id}`: an archive's status as JSON; `web.pages.routes` shows it to browsers."""

import json
from datetime import UTC, datetime

from fastapi import APIRouter, Header, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from common.messages.progress import Progress, State
from web.http.headers import etag_matches, make_etag
from web.http.problems import describe
from web.progress.lookup import POLL_SECONDS, FindProgress, UnknownJob
from web.texts import ENGLISH, explain_in_one_line


class PhotoCounts(BaseModel):
    """How many photos."""

    total: int
    copied: int
    skipped: int
    failed: int


class ByteCounts(BaseModel):
    """How many bytes; `copied` counts all that are in the cloud."""

    total: int
    copied: int


class FailedPhotoStatus(BaseModel):
    """A photo that did not arrive, and why."""

    name: str
    path: str = Field(description="Album and name, as the gallery lists them.")
    reason: str
    detail: str


class ReasonStatus(BaseModel):
    """Why an archive waits, failed or was cancelled."""

    code: str
    message: str


class Status(BaseModel):
    """One archive at this moment. Times are RFC 3339 in UTC; numbers never go backwards."""

    job_id: str
    cloud_type: str
    archive_type: str
    gallery_name: str
    state: State
    photos: PhotoCounts
    bytes: ByteCounts
    bytes_per_second: int
    eta_seconds: int | None
    next_attempt_at: str | None = Field(
        description="When it goes on, while it waits or its cloud asked for a pause; later if others are first."
    )
    folder_url: str | None
    failures: list[FailedPhotoStatus]
    reason: ReasonStatus | None
    created_at: str | None
    started_at: str | None
    updated_at: str | None
    finished_at: str | None


def make_router(find: FindProgress) -> APIRouter:
    """Return the route.

    Args:
        find: as `web.progress.lookup.JobLookup.find_newest`.
    """
    router = APIRouter()

    @router.get(
        "/cloud_archive/jobs/{job_id}",
        summary="How an archive gets on",
        response_model=Status,
        responses={
            304: {"description": "Nothing has changed since the ETag that was sent along."},
            404: describe("No such archive."),
            429: describe("Too many requests from one address; Retry-After says when to come back."),
            503: describe("This replica is starting; Retry-After says when to come back."),
            "default": describe("Anything else."),
        },
    )
    async def get_status(job_id: str, if_none_match: str | None = Header(default=None)) -> Response:
        """Return the newest that this replica knows; whoever has the id may read it."""
        progress = find(job_id)
        if progress is None:
            raise UnknownJob
        status = make_status(progress).model_dump(mode="json")
        etag = make_etag(json.dumps(status).encode())
        headers = {"ETag": etag, "Cache-Control": "no-store", "X-Robots-Tag": "noindex", "Vary": "Accept"}
        if poll_seconds := POLL_SECONDS.get(progress.state):
            headers["Retry-After"] = str(poll_seconds)
        if etag_matches(etag, if_none_match or ""):
            return Response(status_code=304, headers=headers)
        return JSONResponse(status, headers=headers)

    return router


def make_status(progress: Progress) -> Status:
    """Return a snapshot as the API shows it."""
    return Status(
        job_id=progress.job_id,
        cloud_type=progress.cloud_type,
        archive_type=progress.archive_type,
        gallery_name=progress.gallery_name,
        state=progress.state,
        photos=PhotoCounts(
            total=progress.photos_total,
            copied=progress.photos_copied,
            skipped=progress.photos_skipped,
            failed=progress.photos_failed,
        ),
        bytes=ByteCounts(total=progress.bytes_total, copied=progress.bytes_copied),
        bytes_per_second=round(progress.bytes_per_second),
        eta_seconds=None if progress.eta_seconds is None else round(progress.eta_seconds),
        next_attempt_at=None if progress.state.is_final else _format_time(progress.next_attempt_at),
        folder_url=progress.folder_url or None,
        failures=[
            FailedPhotoStatus(name=each.name, path=each.path, reason=each.reason, detail=each.detail)
            for each in progress.failures
        ],
        reason=_make_reason(progress),
        created_at=_format_time(progress.created_at),
        started_at=_format_time(progress.started_at),
        updated_at=_format_time(progress.updated_at),
        finished_at=_format_time(progress.finished_at),
    )


def _make_reason(progress: Progress) -> ReasonStatus | None:
    if not progress.reason:
        return None
    return ReasonStatus(code=progress.reason, message=explain_in_one_line(ENGLISH, progress))


def _format_time(moment: float) -> str | None:
    if not moment:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
