"""The addresses of a job, for who comes with a browser; who does not gets the same addresses as JSON.

A route here takes only requests that would rather have HTML than JSON, and stands before the one that answers others.
"""

from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import Scope

from web.api.cancel import Cancel
from web.http.headers import prefers_html
from web.pages.render import later_page, page_headers, unknown_page
from web.pages.view import render_job
from web.progress.lookup import FindProgress, Starting
from web.texts import LANGUAGES, Texts, choose_language


class BrowserRoute(Route):
    """A route that only browsers see."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match a request that would rather have HTML than JSON."""
        match, found = super().matches(scope)
        if match is Match.NONE or not prefers_html(Headers(scope=scope).get("accept", "")):
            return Match.NONE, {}
        return match, found


def make_routes(find: FindProgress, find_newest: FindProgress, cancel: Cancel) -> list[BrowserRoute]:
    """Return the routes.

    Args:
        find: returns what is known of a job, None for one that we do not know.
        find_newest: the same for somebody who looks at it; raises Starting.
        cancel: tells all workers of a cancel.
    """

    async def show_job(request: Request) -> Response:
        """Show how an archive gets on."""
        texts = _choose_texts(request)
        try:
            progress = find_newest(request.path_params["job_id"])
        except Starting as starting:
            return later_page(texts.language, starting.status_code, dict(starting.headers or {}))
        if progress is None:
            return unknown_page(texts)
        page, etag = render_job(progress, texts, cancelling=request.query_params.get("cancelling", ""))
        headers = {**page_headers(texts), "ETag": etag}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return HTMLResponse(page, headers=headers)

    async def cancel_job(request: Request) -> Response:
        """Take the press of a page's button, and send the guest back to the page."""
        job_id, texts = request.path_params["job_id"], _choose_texts(request)
        if find(job_id) is None:
            return unknown_page(texts)
        outcome = "asked" if await cancel(job_id) else "failed"
        # 303: the browser comes back with a GET, and a reload presses nothing.
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
    return LANGUAGES[choose_language(request.headers.get("accept-language", ""), chosen)]
