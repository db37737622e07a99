"""The addresses of a job, for who comes with a browser; who does not gets the same addresses as JSON.

A route here takes only requests that would rather have HTML than JSON, and stands before the one that answers others.
"""

import logging
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import Scope

from common.errors import Transient
from common.topology import NEWS_EXCHANGE, cancel_key
from web.callback import Publishes
from web.page import render_job
from web.pages import page_headers, unknown_page
from web.status import FindProgress
from web.texts import LANGUAGES, Texts, choose_language

logger = logging.getLogger(__name__)


class BrowserRoute(Route):
    """A route that only browsers see."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match a request that would rather have HTML than JSON."""
        match, found = super().matches(scope)
        if match is Match.NONE or not prefers_html(Headers(scope=scope).get("accept", "")):
            return Match.NONE, {}
        return match, found


def make_routes(find: FindProgress, publisher: Publishes) -> list[BrowserRoute]:
    """Return the routes.

    Args:
        find: returns what is known of a job, None for one that we do not know.
        publisher: tells all workers of a cancel.
    """

    def show_job(request: Request) -> Response:
        """Show how an archive gets on."""
        progress, texts = find(request.path_params["job_id"]), _choose_texts(request)
        if progress is None:
            return unknown_page(texts)
        page, etag = render_job(progress, texts, cancelling=request.query_params.get("cancelling", ""))
        headers = {**page_headers(texts), "ETag": etag}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return HTMLResponse(page, headers=headers)

    def cancel_job(request: Request) -> Response:
        """Take the press of a page's button, and send the guest back to the page."""
        job_id, texts = request.path_params["job_id"], _choose_texts(request)
        if find(job_id) is None:
            return unknown_page(texts)
        try:
            publisher.publish(NEWS_EXCHANGE, cancel_key(job_id), b"{}", message_id=job_id)
            outcome = "asked"
        except Transient as error:
            logger.warning("nobody could be told of a cancel: %s", error, extra={"job_id": job_id})
            outcome = "failed"
        # 303: the browser comes back with a GET, and a reload presses nothing.
        page = f"/cloud_archive/jobs/{job_id}?lang={texts.language}&cancelling={outcome}"
        return RedirectResponse(page, 303, page_headers(texts))

    return [
        _route("/cloud_archive/jobs/{job_id}", show_job, "GET"),
        _route("/cloud_archive/jobs/{job_id}/cancel", cancel_job, "POST"),
    ]


def prefers_html(accept: str) -> bool:
    """Say whether an Accept header likes HTML better than JSON (RFC 9110, section 12.5.1)."""
    weights: dict[str, float] = {}
    for word in accept.lower().split(","):
        media, *parameters = (part.strip() for part in word.split(";"))
        weights[media] = max(weights.get(media, 0.0), _read_weight(parameters))

    def weigh(*ranges: str) -> float:
        return next((weights[each] for each in ranges if each in weights), 0.0)

    return weigh("text/html", "text/*", "*/*") > weigh("application/json", "application/*", "*/*")


def _read_weight(parameters: list[str]) -> float:
    try:
        return next((float(each[2:]) for each in parameters if each.startswith("q=")), 1.0)
    except ValueError:
        return 0.0


def _route(path: str, answer: Callable[[Request], Any], method: str) -> BrowserRoute:
    return BrowserRoute(path, answer, methods=[method], include_in_schema=False)


def _choose_texts(request: Request) -> Texts:
    chosen = request.query_params.get("lang", "")
    return LANGUAGES[choose_language(request.headers.get("accept-language", ""), chosen)]
