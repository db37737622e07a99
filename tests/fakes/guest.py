"""A guest's way from the POST through the consent page to the callback."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from sandbox.world import World
from tests.fakes.web_site import SEED_REQUEST, Site

SUCCESS, FAIL = SEED_REQUEST["redirect_success_link"], SEED_REQUEST["redirect_fail_link"]


def ask(site: Site, **changes: str) -> str:
    """Ask for an archive; return the consent page."""
    return str(site.post(**changes).json()["redirect_to"])


def agree(site: Site, world: World, **changes: str) -> str:
    """Ask for an archive and agree; return where the consent page sends the guest."""
    return world.accounts.consent(ask(site, **changes))


def change(address: str, **query: str | None) -> str:
    """Return an address with some of its query changed or taken away."""
    old = dict(parse_qsl(urlsplit(address).query))
    new = {name: value for name, value in {**old, **query}.items() if value is not None}
    return f"{address.partition('?')[0]}?{urlencode(new)}"


def assert_refused(answer: requests.Response, site: Site, world: World) -> None:
    """The answer is our own page; no job was published, and no code exchanged."""
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Location" not in answer.headers
    assert site.broker.published == []
    assert world.accounts.exchanges == 0
