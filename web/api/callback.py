"""`GET /cloud_archive/callback/{cloud_type}`: the cloud's consent page sends the guest back here."""

import logging
import secrets
from collections.abc import Mapping
from typing import cast
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from web.consent.completion import ConsentCompletion
from web.consent.oauth_state import InvalidState
from web.http.bounded_executor import Overloaded
from web.http.headers import encode_location, prefers_html
from web.http.problems import describe, problem_response
from web.http.rate_limit import QuotaExceeded, quota_exceeded_response
from web.pages.links import WayOn
from web.pages.render import HEADERS, retry_page, void_page
from web.texts import choose_texts

logger = logging.getLogger(__name__)

# Not all at the same moment.
RETRY_AFTER_SECONDS = range(5, 16)


def make_router(completion: ConsentCompletion, home_url: str) -> APIRouter:
    """Return the route.

    Args:
        completion: of consents.
        home_url: the galleries' own site, for guests who can be led nowhere else.
    """
    router = APIRouter()

    @router.get(
        "/cloud_archive/callback/{cloud_type}",
        summary="Where a cloud's consent page sends the guest back to",
        response_class=Response,
        status_code=303,
        responses={
            303: {"description": "To the success link when the archive has begun, else to the fail link."},
            400: {"description": "A page for the guest: this is no answer to anything we asked.", "content": _HTML},
            429: _describe_retry("Too many from one address or with one state; the same callback counts later."),
            503: _describe_retry("Too many guests are back at once; the same callback counts later."),
            "default": describe("Anything else."),
        },
    )
    async def get_callback(cloud_type: str, request: Request) -> Response:
        """Take a guest's answer, put the archive into the queue, and send the guest on."""
        try:
            link = await completion.complete(cloud_type, request.query_params.multi_items())
        except InvalidState as error:
            logger.warning("callback refused", extra={"reason": str(error)})
            return _void_response(request, error.way_back, home_url)
        except QuotaExceeded as error:
            return quota_exceeded_response(error, request.headers)
        except Overloaded:
            logger.warning("callback put off: too many guests are back at once")
            return _overloaded_response(request.headers)
        return Response(status_code=303, headers={**HEADERS, "Location": encode_location(link)})

    return router


_HTML = {"text/html": {"schema": {"type": "string"}}}


def _describe_retry(description: str) -> dict[str, object]:
    """Return how OpenAPI describes an answer that is a page for browsers, a problem for others, with Retry-After."""
    problem = describe(f"{description} Retry-After says when. Browsers get a page.")
    return {**problem, "content": {**cast(dict[str, object], problem["content"]), **_HTML}}


def _void_response(request: Request, way_back: str, home_url: str) -> Response:
    texts = choose_texts(request.headers.get("accept-language", ""), request.query_params.get("lang", ""))
    # The code stays out of the page. A state that is too old is worth nothing to anybody.
    state = f"state={quote(request.query_params.get('state', ''), safe='')}&" if way_back else ""
    return void_page(texts, WayOn(way_back, home_url), f"?{state}")


def _overloaded_response(headers: Mapping[str, str]) -> Response:
    retry = {"Retry-After": str(secrets.choice(RETRY_AFTER_SECONDS))}
    if prefers_html(headers.get("accept", "")):
        return retry_page(choose_texts(headers.get("accept-language", "")), 503, retry)
    return problem_response(503, "too_many_guests", "Too many guests are back at once; try again soon.", headers=retry)
