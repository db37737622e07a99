"""`GET /cloud_archive/jobs/{job_id}`: how an archive gets on, as JSON."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from common.job_id import is_job_id, read_job_time
from common.progress import Progress, State
from common.sealing import Sealer
from web.news import News
from web.problems import describe, problem_response


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
    folder_url: str | None
    failures: list[FailedPhotoStatus]
    reason: ReasonStatus | None
    created_at: str | None
    started_at: str | None
    updated_at: str | None
    finished_at: str | None


def make_router(sealer: Sealer, news: News) -> APIRouter:
    """Return the route.

    Args:
        sealer: knows the ids that were issued here.
        news: what workers told.
    """
    router = APIRouter()

    @router.get(
        "/cloud_archive/jobs/{job_id}",
        summary="How an archive gets on",
        response_model=Status,
        responses={
            304: {"description": "Nothing has changed since the ETag that was sent along."},
            404: describe("No such archive."),
            "default": describe("Anything else."),
        },
    )
    def get_status(job_id: str, if_none_match: str | None = Header(default=None)) -> Response:
        """Return the newest that this replica knows; whoever has the id may read it."""
        if not is_job_id(sealer, job_id):
            return problem_response(404, "not_found", "There is no such archive.")
        status = describe_progress(find_progress(news, job_id))
        etag = f'"{hashlib.sha256(json.dumps(status).encode()).hexdigest()[:32]}"'
        headers = {"ETag": etag, "Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
        known = {each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")}
        if etag in known or "*" in known:
            return Response(status_code=304, headers=headers)
        return JSONResponse(status, headers=headers)

    return router


def find_progress(news: News, job_id: str) -> Progress:
    """Return what is known of a job that was issued here; of one nobody told of, its guest is still at the consent."""
    known = news.find(job_id)
    if known:
        return known
    created_at = read_job_time(job_id)
    return Progress(job_id=job_id, state=State.AWAITING_CONSENT, created_at=created_at, updated_at=created_at)


def describe_progress(progress: Progress) -> dict[str, Any]:
    """Return a snapshot in the words of the API."""
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
        folder_url=progress.folder_url or None,
        failures=[
            FailedPhotoStatus(name=each.name, reason=each.reason, detail=each.detail) for each in progress.failures
        ],
        reason=ReasonStatus(code=progress.reason, message=progress.detail) if progress.reason else None,
        created_at=_tell_time(progress.created_at),
        started_at=_tell_time(progress.started_at),
        updated_at=_tell_time(progress.updated_at),
        finished_at=_tell_time(progress.finished_at),
    ).model_dump(mode="json")


def _tell_time(moment: float) -> str | None:
    if not moment:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
