"""A guest's steps (button, consent, callback), and checks of the result in cloud and gallery."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import requests

from sandbox import clouds
from sandbox.gallery.host import Done
from sandbox.gallery.pictures import Picture, draw
from sandbox.world import World

GALLERY_NAME = "Свадьба Анны и Ивана"
_ALBUMS = ("Утро невесты/", "Церемония/У озера/", "Церемония/Кольца/", "Banquet & dancing/", "")
_ARCHIVE_TYPE = "originals"
_SECONDS = 30

Stored = tuple[str, int, str]  # path in the cloud, bytes, MD5


class GuestError(Exception):
    """A step led elsewhere than expected; the message says where."""


@dataclass(frozen=True)
class Account:
    """A guest's account at one cloud's stand-in.

    Attributes:
        consent: opens a consent page, allows, and returns the address of the callback.
        tree: returns all files in the account.
        arrived: returns the bytes received, those of unfinished uploads included.
    """

    consent: Callable[[str], str]
    tree: Callable[[], list[Stored]]
    arrived: Callable[[], int]


CLOUDS = tuple(cloud.name for cloud in clouds.CLOUDS)


def open_account(world: World, cloud: str) -> Account:
    """Return the guest's account at a cloud."""
    opened = world.clouds[cloud]
    return Account(opened.accounts.consent, opened.storage.account().tree, lambda: opened.arrived("guest"))


def draw_photos(count: int, size: int) -> list[Picture]:
    """Draw a gallery's photos, in albums, albums in albums, and at the top.

    Args:
        count: how many.
        size: bytes of each.
    """
    return [
        Picture(f"{_ALBUMS[number % len(_ALBUMS)]}Test_{number + 1:03d}.jpg", draw(number, size))
        for number in range(count)
    ]


class Link(Protocol):
    """What a gallery's page knows of the archive behind its button."""

    @property
    def name(self) -> str:
        """The gallery's name."""

    @property
    def url(self) -> str:
        """The archive's link."""


def save(web_url: str, gallery_url: str, account: Account, archive: Link, cloud: str) -> str:
    """Request an archive, consent, follow the callback, and return to the gallery.

    Args:
        web_url: address of `web`.
        gallery_url: address of the gallery, whose pages the guest comes from and returns to.
        account: the guest's account; only its consent page is used.
        archive: what to save.
        cloud: where to.

    Returns:
        The job's id.

    Raises:
        GuestError: a step leads elsewhere.
    """
    success = f"{gallery_url}/ok?gallery=test_16&from=demo"
    request = {
        "redirect_success_link": success,
        "redirect_fail_link": f"{gallery_url}/fail",
        "archive_url": archive.url,
        "gallery_name": archive.name,
        "archive_type": _ARCHIVE_TYPE,
        "cloud_type": cloud,
    }
    with requests.Session() as browser:
        browser.trust_env = False  # no proxies between us and loopback
        accepted = browser.post(f"{web_url}/cloud_archive", json=request, timeout=_SECONDS)
        if accepted.status_code != 200:
            raise GuestError(f"POST /cloud_archive answered {accepted.status_code}: {accepted.text}")
        callback = account.consent(accepted.json()["redirect_to"])
        redirect = browser.get(callback, allow_redirects=False, timeout=_SECONDS)
        location = redirect.headers.get("Location")
        if (redirect.status_code, location) != (303, success):
            raise GuestError(f"the callback answered {redirect.status_code} to {location}, not 303 to {success}")
        page = browser.get(success, timeout=_SECONDS)
        if page.status_code != 200:
            raise GuestError(f"the gallery's page answered {page.status_code}")
    return str(accepted.json()["job_id"])


def accepted_dones(world: World) -> list[Done]:
    """Return the done calls that the gallery answered 2xx."""
    return [done for done in list(world.gallery.dones) if done.status and 200 <= done.status < 300]


def find_differences(expected: list[Stored], found: list[Stored]) -> list[str]:
    """Return how the guest's cloud differs from the gallery; empty if every photo is there once, byte for byte."""
    missing, extra = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
    return [
        *(f"missing: {path} ({size} bytes, md5 {md5})" for path, size, md5 in missing.elements()),
        *(f"not as in the gallery: {path} ({size} bytes, md5 {md5})" for path, size, md5 in extra.elements()),
    ]


def find_wrong_done_calls(dones: list[Done], job_id: str, archive_url: str, cloud: str) -> list[str]:
    """Return what is wrong with the done calls; empty if they report this job's success."""
    body: dict[str, Any] = {"cloud_type": cloud, "failed_photos": 0, "archive_type": _ARCHIVE_TYPE}
    headers = {"X-Cloud-Archive-Job": job_id, "X-Cloud-Archive-Url": archive_url, "Idempotency-Key": job_id}
    findings = [] if dones else ["the gallery was not told"]
    for done in dones:
        if done.json != body:
            findings.append(f"the gallery was told {done.body!r}")
        findings += [
            f"{name}: {done.headers[name]!r}" for name, value in headers.items() if done.headers[name] != value
        ]
    return findings
