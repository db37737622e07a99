"""A job's page in a browser, without the services: what it shows is handed to it, snapshot by snapshot."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Route

from common.messages.progress import Progress
from tests.e2e.guest import PICTURES
from web.pages.render import page_headers
from web.pages.view import Situation, render_job
from web.texts import ENGLISH, Texts

ADDRESS = "https://archive.example/cloud_archive/jobs/x"


class Showcase:
    """One window with one job's page, headers and all.

    Args:
        browser: what the window is opened in.
        progress: what the page shows first.
        texts: of its language.
        situation: of its guest.
        query: of the address.
        script: runs before the page's own.
        window: as Playwright's `new_context` takes it.

    Attributes:
        progress: what it shows when it asks next; change it as you like.
        complaints: what the browser wrote as an error.
    """

    def __init__(
        self,
        browser: Browser,
        progress: Progress,
        texts: Texts = ENGLISH,
        situation: Situation = Situation(),  # noqa: B008 - frozen
        script: str = "",
        query: str = "",
        **window: Any,
    ) -> None:
        self.progress = progress
        self.complaints: list[str] = []
        self._texts = texts
        self._situation = situation
        self._context = browser.new_context(**window)
        self._context.on("console", self._hear)
        self._context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self._context.route("**/*", self._answer)
        self._context.add_init_script(script)
        self.page = self._context.new_page()
        self.page.goto(ADDRESS + query)

    def __enter__(self) -> "Showcase":
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    def take_picture(self, name: str) -> Path:
        """Keep what the window shows, for people."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        path = PICTURES / f"{name}.png"
        self.page.screenshot(path=path, full_page=True)
        return path

    @property
    def width(self) -> int:
        """How wide the page is, whatever the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth"))

    def _answer(self, route: Route) -> None:
        headers = {**page_headers(self._texts), "Content-Type": "text/html; charset=utf-8"}
        route.fulfill(body=render_job(self.progress, self._texts, self._situation), headers=headers)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)
