"""What we say to a guest ourselves: how our pages are put together, and the two that tell of no job.

Each is one file without anything of others', and without anything that its policy does not know by its hash.
"""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from web.texts import LANGUAGES, Texts, choose_language

_FOLDER = Path(__file__).with_name("templates")
_STYLE = (_FOLDER / "page.css").read_text()
_SCRIPT = (_FOLDER / "page.js").read_text()

# Nothing of others' on our page, and nothing of ours in others' logs: its address holds a code.
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# What stands in the page word for word, and nothing else: https://www.w3.org/TR/CSP3/#grammardef-hash-source
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
# The only texts that are no guest's and no gallery's, and so go in as they are.
_TEMPLATES.globals.update(style=Markup(_STYLE), script=Markup(_SCRIPT), languages=LANGUAGES)  # noqa: S704


def render(template: str, texts: Texts, **values: object) -> str:
    """Return a page.

    Args:
        template: its file.
        texts: of the guest's language.
        values: what the template shows; escaped there.
    """
    return _TEMPLATES.get_template(template).render(texts=texts, **values)


def page_headers(texts: Texts) -> dict[str, str]:
    """Return the headers that go with every page of ours."""
    return {
        **HEADERS,
        "Content-Security-Policy": _POLICY,
        "Content-Language": texts.language,
        "X-Robots-Tag": "noindex",
        "Vary": "Accept, Accept-Language",
    }


def void_page(accept_language: str) -> HTMLResponse:
    """Return the page for a guest whose way back does not count any more.

    Args:
        accept_language: the header of that name.
    """
    return _say(LANGUAGES[choose_language(accept_language)], 400, "void")


def later_page(accept_language: str, status: int, headers: Mapping[str, str]) -> HTMLResponse:
    """Return the page for a guest who is to wait for a moment; it asks again by itself when that is over.

    Args:
        accept_language: the header of that name.
        status: of HTTP.
        headers: to go with it; `Retry-After` says how long the moment is, in seconds.
    """
    page = _say(LANGUAGES[choose_language(accept_language)], status, "later")
    # Browsers look at no Retry-After: https://html.spec.whatwg.org/multipage/semantics.html#attr-meta-http-equiv-refresh
    page.headers.update({**headers, "Refresh": headers["Retry-After"]})
    return page


def unknown_page(texts: Texts) -> HTMLResponse:
    """Return the page for a guest whose job we do not know."""
    return _say(texts, 404, "unknown")


def _say(texts: Texts, status: int, what: str) -> HTMLResponse:
    title, text = texts.say(f"{what}_title"), texts.say(f"{what}_text")
    return HTMLResponse(render("words.html", texts, title=title, text=text), status, page_headers(texts))
