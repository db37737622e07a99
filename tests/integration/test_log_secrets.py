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

from common.crypto.sealing import Sealer, Secret
from sandbox.demo.services import Services
from sandbox.faults.plan import Fault
from sandbox.gallery.host import Archive
from sandbox.gallery.pictures import Picture, draw
from sandbox.world import World
from web.consent.oauth_state import open_state

PATIENCE = 60.0  # seconds until a wait here counts as never
# Yandex's stand-in is asked three times for each, Google's less.
PHOTOS = {"google_drive": 300, "yadisk": 60}
# A photo's name that would end a line, begin one of its own, and colour a terminal.
NASTY = "a\r\n2026-11-23T00:00:00.000Z INFO worker: forged\u2028\x1b[31m\x9b31m.jpg"
MOST_INFO_LINES = 20
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(params=sorted(PHOTOS))
def cloud(request: pytest.FixtureRequest) -> str:
    """Each cloud, by its name."""
    return str(request.param)


@pytest.fixture
def archive(world: World, cloud: str) -> Archive:
    """A gallery of many small photos; one has a nasty name, and one lies about its size, so that it is told of."""
    count = PHOTOS[cloud]
    photos = [Picture(f"A{number % 3}/{number}.jpg", draw(number, 2000)) for number in range(count - 2)]
    liar = Picture(NASTY, draw(count, 2000), filesize=1999)
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

    def __init__(self, services: Services, world: World, cloud: str) -> None:
        self.secrets: set[str] = set()
        self.job_id = ""
        self._services = services
        self._cloud = cloud
        self._accounts = world.clouds[cloud].accounts
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
            "cloud_type": self._cloud,
        }
        trace = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        wish.update(changes)
        return requests.post(f"{self._services.url}/cloud_archive", json=wish, headers=trace, timeout=30)

    def agree(self, archive: Archive) -> str:
        """Press the button and say yes; return where the consent page sends the guest."""
        told = self.ask(archive).json()
        page, self.job_id = told["redirect_to"], told["job_id"]
        address = self._accounts.consent(page)
        query = parse_qs(urlsplit(address).query)
        state, code = query["state"][0], query["code"][0]
        opened = open_state(self._sealer, self._cloud, state, time.time())
        self.secrets |= {state, code, code.rpartition("/")[2], opened.verifier}
        return address

    def come_back(self, address: str) -> str:
        """Follow the consent page; return where we send the guest."""
        return requests.get(address, allow_redirects=False, timeout=30).headers.get("Location", "")


def break_much(world: World, cloud: str) -> None:
    """Let everything happen that ends in an exception somewhere, and none that ends the job."""
    world.faults.add(
        Fault("photo", "drop_midway", after=30, bytes=100),
        Fault("photo", "html", after=33),
        *(BREAK_GOOGLE if cloud == "google_drive" else BREAK_YANDEX),
    )


# The first and the last of these let the job wait in its queue; once is enough for both clouds.
BREAK_GOOGLE = [
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
    Fault("done", "status", status=500),
]
BREAK_YANDEX = [
    Fault("yandex_disk", "bad_json"),
    Fault("yandex_token", "status", times=1, status=500),
    Fault("yandex_mkdir", "drop_after"),
    Fault("yandex_link", "expire_token", after=5),
    Fault("yandex_link", "status", after=9, status=400, reason="FieldValidationError"),
    Fault("yandex_link", "set_fields", after=12, fields={"href": "http://[hush"}),
    Fault("yandex_link", "drop_after", after=15),
    Fault("yandex_upload", "drop_midway", after=20, bytes=500),
    Fault("yandex_upload", "redirect", after=25, status=307, location="http://10.0.0.1/elsewhere"),
    Fault("yandex_upload", "expired_link", after=30),
    Fault("yandex_upload", "status", after=35, status=500),
    Fault("yandex_upload", "corrupt", after=40),
    Fault("yandex_patch", "html", after=45),
]


def wait_for(condition: Callable[[], bool], services: Services) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        services.check()
        assert time.monotonic() < deadline, services.read_logs()
        time.sleep(0.05)


def test_a_whole_run_says_no_secret(services: Services, world: World, archive: Archive, cloud: str) -> None:
    """Tokens, codes, verifiers, states, client secrets, upload sessions, keys, the broker's password: none of them."""
    guest = Guest(services, world, cloud)
    assert guest.ask(archive, gallery_name="a\r\nforged\x1b[31m").status_code == 422
    assert requests.get(f"{services.url}/{quote(NASTY)}", timeout=30).status_code == 404
    failing = guest.agree(archive)
    world.faults.add(Fault("token" if cloud == "google_drive" else "yandex_token", "status", status=500))
    assert guest.come_back(failing).endswith("/fail")
    assert guest.come_back(guest.agree(archive).replace("code=", "code=5")).endswith("/fail")
    assert guest.come_back(guest.agree(archive).replace("state=", "state=x")) == ""
    address = guest.agree(archive)
    assert "only-for=me" in guest.come_back(address)
    job_id = guest.job_id
    break_much(world, cloud)
    wait_for(lambda: any(done.status == 200 for done in world.gallery.dones), services)
    # Its worker says so a moment later.
    wait_for(lambda: any("the gallery was told" in each.log.read_text() for each in services.programs), services)
    said = {program.name: program.log.read_text() for program in services.programs}
    check_silent("".join(said.values()), guest.secrets | secrets_of(services, world))
    assert "forged" in said["web"]
    check_lines("".join(said.values()))
    # A list that was not to be had, an upload that broke, an end that was not taken: it was said, shortly.
    levels = Counter(json.loads(line)["level"] for line in said["worker"].splitlines())
    assert 3 <= levels["INFO"] <= MOST_INFO_LINES
    assert levels["WARNING"] >= 2
    check_traces([json.loads(line) for line in "".join(said.values()).splitlines()], job_id, world, PHOTOS[cloud])
    assert len(world.faults.fired) > 10


def check_traces(lines: list[dict[str, str]], job_id: str, world: World, photos: int) -> None:
    """One trace leads from the button to the done call: every line about the job has it, one for each photo too."""
    about = [line for line in lines if line.get("job_id") == job_id]
    assert {line["service"] for line in about} == {"web", "worker"}
    assert {line["trace_id"] for line in about} == {TRACE}
    # And the archive's path, by which people ask; the worker that took it says its name.
    paths = {seen.target.partition("?")[0] for seen in world.gallery.requests if seen.target.endswith("?json=true")}
    assert {line.get("archive") for line in about if line["service"] == "worker"} == paths
    assert {line["archive"] for line in about if line["event"] == "archive begun"} == paths
    assert all(line["worker"] for line in about if line["event"] == "a worker takes the job")
    assert {"request", "archive begun", "a worker takes the job", "an archive ended", "the gallery was told"} <= {
        line["event"] for line in about
    }
    copied = Counter(line["photo"] for line in about if line["event"] == "a photo was copied")
    assert len(copied) == photos - world.gallery.dones[-1].json["failed_photos"]
    steps = [done.headers["traceparent"].split("-") for done in world.gallery.dones]
    assert {trace for _, trace, *_ in steps} == {TRACE}
    asked = [seen for seen in (*world.gallery.requests, *world.photos.requests) if seen.method == "GET"]
    assert {seen.headers["traceparent"].split("-")[1] for seen in asked} == {TRACE}
    # Every attempt is a step of its own.
    assert len({span for _, _, span, _ in steps}) == len(steps)
    told = {line["logger"] for line in lines if line["level"] == "INFO" and "trace_id" not in line}
    assert told <= {"web", "worker", "uvicorn.error"}


def secrets_of(services: Services, world: World) -> set[str]:
    """Return every secret that the processes were given or that travelled between them and the clouds."""
    requests_seen = [*world.drive.requests, *world.yandex.requests]
    sessions = {
        value for seen in world.drive.requests for value in parse_qs(urlsplit(seen.target).query).get("upload_id", [])
    }
    sessions |= {urlsplit(seen.target).path.rpartition("/")[2] for seen in world.yandex_uploader.requests}
    bearers = {
        seen.headers["Authorization"].partition(" ")[2] for seen in requests_seen if seen.headers["Authorization"]
    }
    lasting = {*world.accounts.tokens._refresh, *world.yandex_accounts.tokens._refresh}
    environment = services.environment
    assert len(sessions) > 50
    assert len(bearers) > 1
    assert lasting
    own = {
        environment[name]
        for name in ("SECRET_KEYS", "GOOGLE_CLIENT_SECRET", "YANDEX_CLIENT_SECRET")
        if name in environment
    }
    password = urlsplit(environment["RABBITMQ_URL"]).password or ""
    shapes = {"ya29.", "1//0", "y0_", "upload_id", "upload-target", "Bearer", "OAuth ", "only-for"}
    return {*sessions, *bearers, *lasting, *own, *shapes, f":{password}@"}


def check_silent(said: str, secrets: set[str]) -> None:
    """None of them, nor the beginning of a long one, is said."""
    assert [secret[:12] for secret in secrets if secret[:24] in said] == []


def check_lines(said: str) -> None:
    """Every line is one record, whatever stood in the names it holds."""
    for line in said.splitlines():
        assert {"ts", "level", "logger", "event"} <= json.loads(line).keys()
        assert not re.search("[\x00-\x1f\x7f-\x9f\u2028]", line)
