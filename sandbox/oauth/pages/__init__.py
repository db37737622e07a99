"""HTML of the consent page, and of the error page shown instead."""

from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from sandbox.http.message import Reply, text_reply

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True, trim_blocks=True
)


@dataclass(frozen=True)
class PageStyle:
    """Appearance and wording of a vendor's consent page.

    Args:
        vendor: its name.
        title: of the page.
        refusal: title of the page that a wrong request gets.
        action: where its form goes.
        colour: of its button, with white letters on it.
        words: what each scope lets a client do, as the vendor puts it.
    """

    vendor: str
    title: str
    refusal: str
    action: str
    colour: str
    words: dict[str, str] = field(default_factory=dict)


def show_consent(style: PageStyle, client: str, login: str, scopes: list[str], asked: str) -> Reply:
    """Return the page that asks a guest.

    Args:
        style: the vendor's.
        client: who asks.
        login: typed in beforehand.
        scopes: what is asked for; a single one can't be left out:
            https://developers.google.com/identity/protocols/oauth2/resources/granular-permissions.
        asked: the request's query, to be brought back by the form.
    """
    return _show("consent.html", 200, style=style, client=client, login=login, scopes=scopes, asked=asked)


def show_refusal(style: PageStyle, problem: str) -> Reply:
    """Return the page that tells what is wrong with a request."""
    return _show("refusal.html", 400, style=style, problem=problem)


def _show(template: str, status: int, **values: object) -> Reply:
    reply = text_reply(_TEMPLATES.get_template(template).render(**values), status, "text/html")
    reply.headers["Cache-Control"] = "no-store"
    return reply
