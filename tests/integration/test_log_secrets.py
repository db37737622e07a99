"""Everything that both processes say at DEBUG while an archive is saved and much goes wrong: no secret is in it."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests

from common.sealing import Sealer, Secret
from sandbox.demo.services import Services
from sandbox.faults import Fault
from sandbox.gallery import Archive
from sandbox.pictures import Picture, draw
from sandbox.world import World
from web.promise import open_promise

PATIENCE = 60.0  # seconds until a wait here counts as never
PHOTOS = 300
# A photo's name that would end a line, begin one of its own, and colour a terminal.
NASTY = "a\r\n2026-11-23T00:00:00.000Z INFO worker: forged\u2028\x1b[31m\x9b31m.jpg"
MOST_INFO_LINES = 20


@pytest.fixture
def archive(world: World) -> Archive:
    """A gallery of many small photos; one has a nasty name, and one lies about its size, so that it is told of."""
    photos = [Picture(f"A{number % 3}/{number}.jpg", draw(number, 2000)) for number in range(PHOTOS - 2)]
    liar = Picture(NASTY, draw(PHOTOS, 2000), filesize=1999)
    return world.gallery.add("Свадьба", [*photos, liar, Picture("B/x.jpg", draw(0, 2000), url="http://10.0.0.1/x.jpg")])


@pytest.fixture
def services(world: World, rabbitmq_url: str, tmp_path: Path) -> Iterator[Services]:
    """A web and a worker that say all they can."""
    running = Services(world.environment(), rabbitmq_url, tmp_path)
    patience = {"RETRY_BASE_SECONDS": "0.01", "RETRY_MAX_SECONDS": "0.05"}
    running.environment.update({"LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json", **patience})
    with running:
        yield running


class Guest:
    """Somebody who saves galleries, and remembers every secret that their browser saw."""

    def __init__(self, services: Services, world: World) -> None:
        self.secrets: set[str] = set()
        self._services = services
        self._world = world
        self._sealer = Sealer([Secret(services.environment["SECRET_KEYS"])])

    def ask(self, archive: Archive, **changes: str) -> requests.Response:
        """Press the gallery's button."""
        wish = {
            "redirect_success_link": f"{self._world.gallery.url}/ok?only-for=me",
            "redirect_fail_link": f"{self._world.gallery.url}/fail",
            "archive_url": archive.url,
            "gallery_name": archive.name,
            "archive_type": "originals",
            "cloud_type": "google_drive",
        }
        return requests.post(f"{self._services.url}/cloud_archive", json={**wish, **changes}, timeout=30)

    def agree(self, archive: Archive) -> str:
        """Press the button and say yes; return where the consent page sends the guest."""
        page = self.ask(archive).json()["redirect_to"]
        address = self._world.accounts.consent(page)
        query = parse_qs(urlsplit(address).query)
        state, code = query["state"][0], query["code"][0]
        promise = open_promise(self._sealer, "google_drive", state, time.time())
        self.secrets |= {state, code, code.partition("/")[2], promise.verifier}
        return address

    def come_back(self, address: str) -> str:
        """Follow the consent page; return where we send the guest."""
        return requests.get(address, allow_redirects=False, timeout=30).headers.get("Location", "")


def break_much(world: World) -> None:
    """Let everything happen that ends in an exception somewhere, and none that ends the job."""
    world.faults.add(
        Fault("list", "status", status=503),
        Fault("about", "bad_json"),
        Fault("files_list", "drop_after"),
        Fault("generate_ids", "html"),
        Fault("token", "status", times=1, status=500),
        Fault("initiate", "expire_token", after=5),
        Fault("initiate", "status", after=9, status=400, reason="badRequest"),
        Fault("initiate", "no_location", after=12),
        Fault("initiate", "drop_after", after=15),
        Fault("upload", "drop_midway", after=20, bytes=500),
        Fault("upload", "redirect", after=25, status=307, location="http://10.0.0.1/elsewhere"),
        Fault("upload", "lie_md5", after=30),
        Fault("upload", "gone_session", after=35),
        Fault("upload", "id_in_use", after=40),
        Fault("photo", "drop_midway", after=30, bytes=100),
        Fault("photo", "html", after=33),
        Fault("done", "status", status=500),
    )


def wait_for(condition: Callable[[], bool], services: Services) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        services.check()
        assert time.monotonic() < deadline, services.last_words()
        time.sleep(0.05)


def test_a_whole_run_says_no_secret(services: Services, world: World, archive: Archive) -> None:
    """Tokens, codes, verifiers, states, client secrets, upload sessions, keys, the broker's password: none of them."""
    guest = Guest(services, world)
    assert guest.ask(archive, gallery_name="a\r\nforged\x1b[31m").status_code == 422
    assert requests.get(f"{services.url}/{quote(NASTY)}", timeout=30).status_code == 404
    failing = guest.agree(archive)
    world.faults.add(Fault("token", "status", status=500))
    assert guest.come_back(failing).endswith("/fail")
    assert guest.come_back(guest.agree(archive).replace("code=4", "code=5")).endswith("/fail")
    assert guest.come_back(guest.agree(archive).replace("state=", "state=x")) == ""
    address = guest.agree(archive)
    assert "only-for=me" in guest.come_back(address)
    break_much(world)
    wait_for(lambda: any(done.status == 200 for done in world.gallery.dones), services)
    said = {program.name: program.log.read_text() for program in services.programs}
    check_silent("".join(said.values()), guest.secrets | secrets_of(services, world))
    assert "forged" in said["web"]
    check_lines("".join(said.values()))
    # The list was not to be had once, an upload broke, and the gallery did not take the end: it was said, shortly.
    levels = Counter(json.loads(line)["level"] for line in said["worker"].splitlines())
    assert 3 <= levels["INFO"] <= MOST_INFO_LINES
    assert levels["WARNING"] >= 2
    assert len(world.faults.fired) > 10


def secrets_of(services: Services, world: World) -> set[str]:
    """Return every secret that the processes were given or that travelled between them and the clouds."""
    sessions = {
        value for seen in world.drive.requests for value in parse_qs(urlsplit(seen.target).query).get("upload_id", [])
    }
    bearers = {
        seen.headers["Authorization"].removeprefix("Bearer ")
        for seen in world.drive.requests
        if seen.headers["Authorization"]
    }
    environment = services.environment
    assert len(sessions) > 100
    assert len(bearers) > 1
    own = {
        environment[name]
        for name in ("SECRET_KEYS", "GOOGLE_CLIENT_SECRET", "YANDEX_CLIENT_SECRET")
        if name in environment
    }
    password = urlsplit(environment["RABBITMQ_URL"]).password or ""
    return {*sessions, *bearers, *own, f":{password}@", "ya29.", "1//0", "upload_id", "Bearer", "only-for"}


def check_silent(said: str, secrets: set[str]) -> None:
    """None of them, nor the beginning of a long one, is said."""
    assert [secret[:12] for secret in secrets if secret[:24] in said] == []


def check_lines(said: str) -> None:
    """Every line is one record, whatever stood in the names it holds."""
    for line in said.splitlines():
        assert {"ts", "level", "logger", "event"} <= json.loads(line).keys()
        assert not re.search("[\x00-\x1f\x7f-\x9f\u2028]", line)
