"""A guest with a browser: presses what guests press, and remembers what a browser complains about."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect

from sandbox.gallery.host import Archive
from sandbox.world import World

# Not in the repository: the newest run's pictures, to be looked at.
PICTURES = Path(__file__).parents[2] / ".sandbox" / "screenshots"
_SECONDS = 20
expect.set_options(timeout=_SECONDS * 1000)


@dataclass(frozen=True)
class Stand:
    """Where a guest goes.

    Attributes:
        world: the pretend one.
        archive: the gallery that is looked at.
        gallery_url: its page.
        web_url: where `web` is.
    """

    world: World
    archive: Archive
    gallery_url: str
    web_url: str


def find_barriers(page: Page) -> list[str]:
    """Return what axe finds serious or worse on a page."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found if each["impact"] in ("serious", "critical")]


class Guest:
    """One guest.

    Args:
        browser: what a window is opened in.
        stand: where to go.
        login: of their account at every cloud.
        window: as Playwright's `new_context` takes it.

    Attributes:
        complaints: what the browser wrote as an error, and requests to anywhere else.
    """

    def __init__(self, browser: Browser, stand: Stand, login: str, **window: Any) -> None:
        self.login = re.sub(r"[^a-z0-9-]+", "-", login.lower())
        self.complaints: list[str] = []
        self._stand = stand
        self._context = browser.new_context(**{"locale": "en-GB", **window})
        self._context.set_default_timeout(_SECONDS * 1000)
        self._context.on("console", self._hear)
        self._context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self._context.route(re.compile(r"^https?://(?!127\.0\.0\.1|localhost)"), self._go_elsewhere)
        self.page = self._context.new_page()

    def leave(self) -> None:
        """Close the window."""
        self._context.close()

    def ask_for_archive(self, cloud: str = "Google Drive") -> None:
        """Open the gallery and press its button; the cloud's page comes next."""
        self.page.goto(self._stand.gallery_url)
        self.page.get_by_label("Save to").select_option(label=cloud)
        self.page.get_by_role("button", name="Save to cloud").click()
        self.page.locator("input[name=login]").fill(self.login)

    def allow(self) -> None:
        """Allow what the cloud asks, and come back to the gallery."""
        self.page.get_by_role("button", name="Allow").click()
        self.page.wait_for_url("**/ok")

    def deny(self) -> None:
        """Allow nothing, and come back to the gallery."""
        self.page.get_by_role("button", name="Deny").click()
        self.page.wait_for_url("**/fail")

    def status_url(self) -> str:
        """Return where the gallery's page read that the progress is told."""
        return str(self.page.evaluate("sessionStorage.getItem('status_url')"))

    def save(self, cloud: str = "Google Drive") -> None:
        """Do all of it, up to the page that shows how it goes."""
        self.ask_for_archive(cloud)
        self.allow()
        self.page.get_by_role("link", name="All about it").click()

    def wait_for_state(self, *states: str) -> None:
        """Wait until the page shows an archive in one of these states."""
        expect(self.page.locator("main")).to_have_attribute("data-state", re.compile("|".join(states)))

    def take_picture(self, name: str) -> None:
        """Keep what the window shows, for people."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")

    def find_barriers(self) -> list[str]:
        """Return what axe finds serious or worse on this page."""
        return find_barriers(self.page)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _go_elsewhere(self, route: Route) -> None:
        self.complaints.append(f"a request to {route.request.url}")
        route.abort()
