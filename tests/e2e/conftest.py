"""Everything a guest meets, in real programs and a real browser; only the clouds and the gallery are pretended."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from sandbox.demo.guest import GALLERY_NAME, draw_photos
from sandbox.demo.pages import open_pages
from sandbox.demo.services import Services
from sandbox.run.broker import Broker
from sandbox.world import World
from tests.e2e.browser import FLAGS, provide_chromium
from tests.e2e.guest import Guest, Stand

PHOTOS, BYTES = 24, 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests here; each has windows of its own. Playwright keeps an event loop while it lives."""
    path = provide_chromium()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def all_started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """The pretend world with a gallery's pages, `web` and `worker`; guests have accounts of their own."""
    with World() as world:
        archive = world.gallery.add(GALLERY_NAME, draw_photos(PHOTOS, BYTES))
        folder: Path = tmp_path_factory.mktemp("services")
        # A broker of its own: these services stay up, and would take the jobs of other tests.
        with Broker() as broker, Services(world.environment(), broker.url, folder) as services:
            yield Stand(world, archive, open_pages(world, services.url), services.url)


@pytest.fixture
def stand(all_started: Stand) -> Iterator[Stand]:
    """The same, where nothing goes wrong that a test does not ask for."""
    yield all_started
    all_started.world.faults.clear()
    assert all_started.world.violations == []


@pytest.fixture
def enter(browser: Browser, stand: Stand, request: pytest.FixtureRequest) -> Iterator[Callable[..., Guest]]:
    """Let a guest come, with a browser window set up as Playwright's `new_context` takes it."""
    guests: list[Guest] = []

    def come(**window: object) -> Guest:
        guests.append(Guest(browser, stand, login=f"{request.node.name}-{len(guests)}"[:60], **window))
        return guests[-1]

    yield come
    for guest in guests:
        guest.leave()
