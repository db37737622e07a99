"""Rendering of pages: templates, security headers, and the pages without a job.

Each page is one file: it loads nothing, and its Content-Security-Policy allows its own style and script by their
hashes.
"""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from web.pages.links import NOWHERE, WayOn
from web.texts import LANGUAGES, Texts

_FOLDER = Path(__file__).with_name("templates")
_STYLE = (_FOLDER / "page.css").read_text()
_SCRIPT = (_FOLDER / "page.js").read_text()

# For every answer to a guest: the address of a callback holds a code, which no cache and no other site may see.
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# https://www.w3.org/TR/CSP3/#grammardef-hash-source
_POLICY = "; ".join(
    [
        "default-src 'none'",
        f"style-src {_hash(_STYLE)}",
        f"script-src {_hash(_SCRIPT)}",
        "connect-src 'self'",
        "img-src data:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)

_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
# Not escaped: the only texts that come from neither guests nor galleries.
_TEMPLATES.globals.update(style=Markup(_STYLE), script=Markup(_SCRIPT), languages=LANGUAGES)  # noqa: S704


def render(template: str, texts: Texts, **values: object) -> str:
    """Return a rendered page.

    Args:
        template: its file name.
        texts: of the guest's language.
        values: variables of the template; escaped there.
    """
    return _TEMPLATES.get_template(template).render(texts=texts, **values)


def page_headers(texts: Texts) -> dict[str, str]:
    """Return the headers of every page."""
    return {
        **HEADERS,
        "Content-Security-Policy": _POLICY,
        "Content-Language": texts.language,
        "X-Robots-Tag": "noindex",
        "Vary": "Accept, Accept-Language",
    }


def void_page(texts: Texts, way_on: WayOn, query: str) -> HTMLResponse:
    """Return the page for a callback whose state is not valid.

    Args:
        texts: of the guest's language.
        way_on: where it leads.
        query: how the address of the same page in another language begins: `?`, or more of a query up to `&`.
    """
    return _render_words(texts, 400, "void", way_on, query)


def retry_page(texts: Texts, status: int, headers: Mapping[str, str]) -> HTMLResponse:
    """Return a page that asks its guest to wait for a moment, and then reloads itself.

    Args:
        texts: of the guest's language.
        status: of HTTP.
        headers: of the answer; `Retry-After` in seconds.
    """
    # Another language would take a callback's code into a link.
    page = _render_words(texts, status, "later", NOWHERE, "")
    # Browsers ignore Retry-After: https://html.spec.whatwg.org/multipage/semantics.html#attr-meta-http-equiv-refresh
    page.headers.update({**headers, "Refresh": headers["Retry-After"]})
    return page


def unknown_page(texts: Texts, way_on: WayOn, path: str) -> HTMLResponse:
    """Return the page for a job that is not known.

    Args:
        texts: of the guest's language.
        way_on: where it leads.
        path: where it is read, percent-encoded.
    """
    return _render_words(texts, 404, "unknown", way_on, f"{path}?")


def _render_words(texts: Texts, status: int, what: str, way_on: WayOn, query: str) -> HTMLResponse:
    words = {"title": texts.say(f"{what}_title"), "text": texts.say(f"{what}_text")}
    page = render("words.html", texts, **words, link=way_on.link(texts), query=query)
    return HTMLResponse(page, status, page_headers(texts))
