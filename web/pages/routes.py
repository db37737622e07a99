"""Routes of a job for browsers, at the same paths as those of the API.

They match only requests that prefer HTML to JSON, and come before the routes of the API.
"""

from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import Scope

from web.api.cancel import Cancel
from web.http.headers import etag_matches, make_etag, prefers_html
from web.pages.render import page_headers, retry_page, unknown_page
from web.pages.view import render_job
from web.progress.lookup import FindProgress, Starting
from web.texts import Texts, choose_texts


class BrowserRoute(Route):
    """A route for requests that prefer HTML."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match like a route, if the request prefers HTML to JSON."""
        match, found = super().matches(scope)
        if match is Match.NONE or not prefers_html(Headers(scope=scope).get("accept", "")):
            return Match.NONE, {}
        return match, found


def make_routes(find: FindProgress, find_newest: FindProgress, cancel: Cancel) -> list[BrowserRoute]:
    """Return the routes.

    Args:
        find: as `web.progress.lookup.JobLookup.find`.
        find_newest: as `web.progress.lookup.JobLookup.find_newest`.
        cancel: records a cancel; returns whether that succeeded.
    """

    async def show_job(request: Request) -> Response:
        """Show the page of an archive."""
        texts = _choose_texts(request)
        try:
            progress = find_newest(request.path_params["job_id"])
        except Starting as starting:
            return retry_page(texts, starting.status_code, dict(starting.headers or {}))
        if progress is None:
            return unknown_page(texts)
        page = render_job(progress, texts, cancelling=request.query_params.get("cancelling", ""))
        etag = make_etag(page.encode())
        headers = {**page_headers(texts), "ETag": etag}
        if etag_matches(etag, request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers=headers)
        return HTMLResponse(page, headers=headers)

    async def cancel_job(request: Request) -> Response:
        """Cancel an archive, and send the guest back to its page."""
        job_id, texts = request.path_params["job_id"], _choose_texts(request)
        if find(job_id) is None:
            return unknown_page(texts)
        outcome = "asked" if await cancel(job_id) else "failed"
        # 303: the browser follows with a GET, and a reload cancels nothing.
        page = f"/cloud_archive/jobs/{job_id}?lang={texts.language}&cancelling={outcome}"
        return RedirectResponse(page, 303, page_headers(texts))

    return [
        _route("/cloud_archive/jobs/{job_id}", show_job, "GET"),
        _route("/cloud_archive/jobs/{job_id}/cancel", cancel_job, "POST"),
    ]


def _route(path: str, answer: Callable[[Request], Any], method: str) -> BrowserRoute:
    return BrowserRoute(path, answer, methods=[method], include_in_schema=False)


def _choose_texts(request: Request) -> Texts:
    chosen = request.query_params.get("lang", "")
    return choose_texts(request.headers.get("accept-language", ""), chosen)
