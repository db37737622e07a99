"""Routes of a job for browsers, at the same paths as those of the API.

They match only requests that prefer HTML to JSON, and come before the routes of the API.
"""

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import Scope

from common.config.settings import WebSettings
from common.messages.progress import Progress
from web.api.archives import ArchiveRequest, Archives
from web.api.cancel import Cancel
from web.consent.gallery_request import GalleryRequest, open_request
from web.http.headers import etag_matches, make_etag, prefers_html
from web.http.problems import ProblemWithCode, RequestRefused
from web.http.rate_limit import QuotaExceeded, quota_exceeded_response
from web.pages.failures import write_text
from web.pages.links import WayOn, find_way_on, may_ask_again
from web.pages.render import HEADERS, page_headers, retry_page, unknown_page
from web.pages.view import Situation, render_job
from web.progress.lookup import JobLookup, Starting
from web.texts import Texts, choose_texts

logger = logging.getLogger(__name__)


class BrowserRoute(Route):
    """A route for requests that prefer HTML."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match like a route, if the request prefers HTML to JSON."""
        match, found = super().matches(scope)
        if match is Match.NONE or not prefers_html(Headers(scope=scope).get("accept", "")):
            return Match.NONE, {}
        return match, found


class JobPages:
    """Answer browsers that ask for a job. For one event loop.

    Args:
        settings: of this process.
        jobs: finds them.
        cancel: records a cancel; returns whether that succeeded.
        archives: begins another one.
        now: Unix time in seconds.
    """

    def __init__(
        self,
        settings: WebSettings,
        jobs: JobLookup,
        cancel: Cancel,
        archives: Archives,
        now: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._cancel = cancel
        self._archives = archives
        self._now = now
        self._home = f"{settings.gallery_base_url}/"

    @property
    def routes(self) -> list[BrowserRoute]:
        """The routes that lead here."""
        return [
            _route("/cloud_archive/jobs/{job_id}", self.show, "GET"),
            _route("/cloud_archive/jobs/{job_id}/again", self.ask_again, "GET"),
            _route("/cloud_archive/jobs/{job_id}/failures.txt", self.list_failures, "GET"),
            _route("/cloud_archive/jobs/{job_id}/cancel", self.cancel, "POST"),
        ]

    async def show(self, request: Request) -> Response:
        """Show the page of an archive."""
        texts = _choose_texts(request)
        progress = self._find(request)
        if isinstance(progress, Response):
            return progress
        asked = open_request(self._settings, progress)
        situation = Situation(
            find_way_on(progress, asked, self._home),
            can_ask=asked is not None and request.query_params.get("again") != "refused",
            now=self._now(),
            cancelling=request.query_params.get("cancelling", ""),
        )
        page = render_job(progress, texts, situation)
        etag = make_etag(page.encode())
        headers = {**page_headers(texts), "ETag": etag}
        if etag_matches(etag, request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers=headers)
        return HTMLResponse(page, headers=headers)

    async def list_failures(self, request: Request) -> Response:
        """Send the names of the photos that failed as a text to keep."""
        texts = _choose_texts(request)
        progress = self._find(request)
        if isinstance(progress, Response):
            return progress
        name = " – ".join(each for each in (texts.say("names_file"), progress.gallery_name) if each)
        # https://datatracker.ietf.org/doc/html/rfc6266#section-4.3; browsers replace what no file name can hold.
        disposition = f"attachment; filename=\"photos.txt\"; filename*=UTF-8''{quote(name, safe='')}.txt"
        headers = {**page_headers(texts), "Content-Disposition": disposition}
        return PlainTextResponse(write_text(progress, texts), headers=headers)

    async def cancel(self, request: Request) -> Response:
        """Cancel an archive, and send the guest back to its page."""
        job_id = request.path_params["job_id"]
        if self._jobs.find(job_id) is None:
            return self._show_unknown(request)
        outcome = "asked" if await self._cancel(job_id) else "failed"
        # 303: the browser follows with a GET, and a reload cancels nothing.
        return _go_to_page(request, f"&cancelling={outcome}")

    async def ask_again(self, request: Request) -> Response:
        """Send the guest to the cloud's consent page once more, for the same gallery, type and cloud.

        A GET: it begins nothing, and browsers let no form of ours lead to the cloud's site in the end (CSP's
        form-action holds for redirects as well in some of them).
        """
        try:
            progress = self._jobs.find_newest(request.path_params["job_id"])
            if progress is None:
                return self._show_unknown(request)
            links = open_request(self._settings, progress)
            if links is None or not may_ask_again(progress):
                return _go_to_page(request)
            asked = _repeat_request(progress, links)
            await self._archives.check(asked)
            consent = self._archives.begin(asked, _choose_texts(request).language).redirect_to
        except QuotaExceeded as error:
            return quota_exceeded_response(error, request.headers)
        except ProblemWithCode as problem:
            return _show_later(request, problem)
        except RequestRefused as refused:
            # What was taken then is not taken now: its cloud is not offered any more, say.
            logger.warning("an archive cannot be asked for again: %s", refused)
            return _go_to_page(request, "&again=refused")
        return RedirectResponse(consent, 303, HEADERS)

    def _find(self, request: Request) -> Progress | Response:
        """Return what is known of a request's archive, or what to answer when nothing is."""
        try:
            progress = self._jobs.find_newest(request.path_params["job_id"])
        except Starting as starting:
            return _show_later(request, starting)
        return progress or self._show_unknown(request)

    def _show_unknown(self, request: Request) -> Response:
        path = f"/cloud_archive/jobs/{quote(request.path_params['job_id'], safe='')}"
        return unknown_page(_choose_texts(request), WayOn(home=self._home), path)


def _repeat_request(progress: Progress, links: GalleryRequest) -> ArchiveRequest:
    """Return what the gallery asked for, as if it asked once more."""
    # Where a link names its job, it has to name the new one.
    success, fail = (link.replace(progress.job_id, "{job_id}") for link in (links.success_link, links.fail_link))
    return ArchiveRequest(
        redirect_success_link=success,
        redirect_fail_link=fail,
        archive_url=links.archive_url,
        gallery_name=progress.gallery_name,
        archive_type=progress.archive_type,
        cloud_type=progress.cloud_type,
    )


def _go_to_page(request: Request, more: str = "") -> Response:
    texts = _choose_texts(request)
    page = f"/cloud_archive/jobs/{request.path_params['job_id']}?lang={texts.language}{more}"
    return RedirectResponse(page, 303, page_headers(texts))


def _show_later(request: Request, problem: ProblemWithCode) -> Response:
    return retry_page(_choose_texts(request), problem.status_code, dict(problem.headers or {}))


def _route(path: str, answer: Callable[[Request], Any], method: str) -> BrowserRoute:
    return BrowserRoute(path, answer, methods=[method], include_in_schema=False)


def _choose_texts(request: Request) -> Texts:
    chosen = request.query_params.get("lang", "")
    return choose_texts(request.headers.get("accept-language", ""), chosen)
