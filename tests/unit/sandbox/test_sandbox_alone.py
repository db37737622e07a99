"""The world as a process of its own, and on https."""

import contextlib
import signal
import socket
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from sandbox import World
from sandbox.__main__ import main
from sandbox.gallery.pictures import album
from sandbox.world import PORTS


@contextmanager
def run_sandbox(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run the program; give the process and what it printed."""
    command = [sys.executable, "-m", "sandbox", "--photos", "3", "--size", "2000", "--albums", "1", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        told: dict[str, str] = {}
        while "ARCHIVE_URL" not in told:
            name, _, value = process.stdout.readline().rstrip("\n").partition("=")
            assert name, "the process ended early"
            told[name] = value
        try:
            yield process, told
        finally:
            process.terminate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_process_prints_its_environment_and_serves_until_told_to_stop(number: signal.Signals) -> None:
    """NAME=value lines, a working gallery, and a clean end."""
    with run_sandbox() as (process, told):
        archives = requests.get(f"{told['GALLERY_BASE_URL']}/sandbox/archives", timeout=10).json()
        path = urllib.parse.urlsplit(told["ARCHIVE_URL"]).path
        photos = requests.get(f"{told['GALLERY_BASE_URL']}{path}?json=true", timeout=10).json()
        process.send_signal(number)
        assert process.wait(10) == 0
    assert [len(each["expected"]) for each in archives] == [3]
    assert archives[0]["url"] == told["ARCHIVE_URL"]
    assert [photo["filesize"] for photo in photos] == [2000] * 3
    with World() as other:
        assert set(other.environment()) < set(told)


def test_gallery_has_pages_when_it_is_told_where_web_is() -> None:
    """Whoever opens its address sees the photos and the button; without, the address is nothing."""
    with run_sandbox("--web", "http://web.example:8000") as (_, told):
        page = requests.get(f"{told['GALLERY_BASE_URL']}/", timeout=10)
    assert 'data-web="http://web.example:8000"' in page.text
    assert page.text.count("<img ") == 3
    with World(album(3, 1000)) as plain:
        assert requests.get(f"{plain.gallery.url}/", timeout=10).status_code == 404


def test_wrong_ports_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """There may be fewer, the others are free ones; more are a mistake."""
    with pytest.raises(SystemExit):
        main(["--ports", ",".join("1" * (1 + len(PORTS)))])
    assert f"{len(PORTS)} ports" in capsys.readouterr().err


def test_ports_may_be_a_range(capsys: pytest.CaptureFixture[str]) -> None:
    """They are taken one after the other, and no more than there are servers; what is only printed serves nobody."""
    first = find_ports(len(PORTS))
    assert main(["--only-print", "--ports", f"{first}-{first + 100}", "--public-host", "sandbox.internal"]) == 0
    told = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    assert told["GALLERY_BASE_URL"] == f"http://sandbox.internal:{first}"
    assert "ARCHIVE_URL" not in told
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{first}/", timeout=10)


def find_ports(number: int) -> int:
    """Return the first of so many that are free, one after the other."""
    for first in range(20_000, 30_000, number):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + number):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
    raise AssertionError("no ports are free")


def test_world_on_https() -> None:
    """Every server has a certificate of the bundle's authority."""
    with World(album(1, 1000), tls=True) as world:
        environment = world.environment()
        assert environment["CA_BUNDLE"] == world.bundle
        reply = requests.get(f"{environment['GALLERY_BASE_URL']}/ok", verify=world.bundle, timeout=10)
        assert reply.status_code == 200
        photo = requests.get(world.archive.manifest[0]["url"], verify=world.bundle, timeout=10)
        assert photo.content == world.archive.pictures[0].data
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{environment['GALLERY_BASE_URL']}/ok", timeout=10)


def test_public_host_stands_in_every_address() -> None:
    """In a container the world listens everywhere and is known by its name."""
    with World(album(1, 1000), host="127.0.0.1", public_host="sandbox.internal") as world:
        environment = world.environment()
        assert environment["PHOTO_HOSTS"] == "sandbox.internal"
        assert environment["GOOGLE_API_URL"].startswith("http://sandbox.internal:")
        assert world.archive.manifest[0]["url"].startswith("http://sandbox.internal:")
