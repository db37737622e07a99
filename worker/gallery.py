"""The gallery: its list, its photos, and the call that tells it an archive has ended. Knows no cloud."""

import json
import time
from collections.abc import Mapping, Sequence
from copy import copy
from urllib.parse import urljoin, urlsplit

from common.archive_job import ArchiveJob
from common.clouds.photos import Photo
from common.deadlines import Ending
from common.errors import AddressRefused, PhotoRejected, Reason, Transient
from common.httpclient import HttpClient, Incoming, read_wait
from common.links import LinkRefused, check_link
from common.sealing import Secret
from common.signing import sign
from common.tracing import onward
from worker.manifest import Manifest, read_manifest

# 10,000 photos need 3 MB; a hundred thousand still fit.
LONGEST_LIST = 50 * 1024 * 1024
# The longest one at 170 kB a second; a photo may take longer, at a floor of speed.
LIST_SECONDS = 300.0
MOST_REDIRECTS = 3


class Gallery:
    """The gallery's side of an archive. Thread-safe.

    Args:
        http: sends the requests.
        base_url: where lists are read, and photos whose own host has not got them.
        photo_hosts: patterns of the hosts photos may be read from.
        done_url: called when an archive has ended.
        signing_secrets: sign the done call; none, none.
        local: whether photos may also be read by plain http and from any port.
    """

    def __init__(
        self,
        http: HttpClient,
        *,
        base_url: str,
        photo_hosts: Sequence[str],
        done_url: str,
        signing_secrets: Sequence[Secret],
        local: bool,
    ) -> None:
        self._http = http
        self._base_url = base_url
        self._photo_hosts = photo_hosts
        self._done_url = done_url
        self._signing_secrets = signing_secrets
        self._local = local

    def ended_by(self, end: Ending) -> "Gallery":
        """Return the same gallery, whose requests end with the work; see `HttpClient.ended_by`."""
        gallery = copy(self)
        gallery._http = self._http.ended_by(end)
        return gallery

    def fetch_manifest(self, archive_url: str) -> Manifest:
        """Return what the gallery lists for an archive.

        Raises:
            Transient: there is no list, or not a usable one; there may be one later.
        """
        answer = self._http.request(
            "GET",
            list_url(self._base_url, archive_url),
            headers={"Accept": "application/json", **onward()},
            longest=LONGEST_LIST,
            body_seconds=LIST_SECONDS,
        )
        if answer.status != 200:
            raise Transient(Reason.GALLERY_UNAVAILABLE, f"the gallery answered {answer.status}", wait=answer.wait())
        return read_manifest(answer.body)

    def open_photo(self, photo: Photo, offset: int, etag: str | None) -> Incoming:
        """Open a photo's bytes at its own host or, where that fails, under the same path at the gallery's.

        Args:
            photo: whose bytes.
            offset: the first byte wanted; whether it was granted is for the caller to see.
            etag: the version wanted; another one may come whole.

        Raises:
            Transient: neither host gives it.
            PhotoRejected: its host is not one photos may be read from, or not on the public internet.
        """
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", **onward()}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            # A weak one does not promise the same bytes: RFC 9110, section 13.1.5.
            if etag and not etag.startswith("W/"):
                headers["If-Range"] = etag
        try:
            return self._follow(photo.url, headers)
        except Transient:
            return self._follow(self._base_url + _path_and_query(photo.url), headers, trusted=True)

    def tell_done(self, job: ArchiveJob, failed_photos: int) -> None:
        """Tell the gallery that an archive has ended.

        The body is exactly what its API asks for and does not say which archive it was: the headers do. The same
        call may come more than once, always with the same key.

        Raises:
            Transient: the gallery did not take it.
        """
        end = {"cloud_type": job.cloud_type, "failed_photos": failed_photos, "archive_type": job.archive_type}
        body = json.dumps(end).encode()
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": job.id,
            "X-Cloud-Archive-Job": job.id,
            # A header carries bytes; so a link with letters of any script goes out as it was given.
            "X-Cloud-Archive-Url": job.archive_url.encode().decode("latin-1"),
            **onward(),
            **sign(self._signing_secrets, job.id, int(time.time()), body),
        }
        answer = self._http.request("POST", self._done_url, headers=headers, body=body)
        if not 200 <= answer.status < 300:
            raise Transient(Reason.GALLERY_UNAVAILABLE, f"the gallery answered {answer.status}", wait=answer.wait())

    def _follow(self, url: str, headers: Mapping[str, str], *, trusted: bool = False) -> Incoming:
        """Open an address and where it leads to, as long as photos may be read from there."""
        for hop in range(1 + MOST_REDIRECTS):
            if hop or not trusted:
                self._check(url)
            incoming = self._open(url, headers, trusted=trusted and not hop)
            if incoming.status in (200, 206):
                return incoming
            incoming.close()
            if incoming.status == 416 and "Range" in headers:
                # It has no such part, or thinks so: then all of it.
                headers = {name: value for name, value in headers.items() if name not in ("Range", "If-Range")}
                continue
            target = incoming.headers.get("location")
            if incoming.status not in (301, 302, 303, 307, 308) or not target:
                reason = Reason.GALLERY_UNAVAILABLE if incoming.status >= 500 else Reason.PHOTO_UNAVAILABLE
                wait = read_wait(incoming.headers)
                raise Transient(reason, f"the gallery answered {incoming.status}", wait=wait)
            url = _join(url, target)
        raise Transient(Reason.PHOTO_UNAVAILABLE, "the gallery leads in a circle")

    def _open(self, url: str, headers: Mapping[str, str], *, trusted: bool) -> Incoming:
        try:
            return self._http.open("GET", url, headers=headers)
        except AddressRefused as refused:
            # Where our own base address leads is no photo's fault.
            if trusted:
                raise
            raise PhotoRejected(Reason.URL_NOT_ALLOWED, refused.detail) from None

    def _check(self, url: str) -> None:
        try:
            check_link(url, self._photo_hosts, local=self._local)
        except LinkRefused as refused:
            raise PhotoRejected(Reason.URL_NOT_ALLOWED, f"the photo's address {refused}") from None


def list_url(base_url: str, archive_url: str) -> str:
    """Return where the list of an archive is: its path at the gallery's own address, asked for as JSON.

    `https://arch-d.lite.gallery/g/api/stream/858329/f9d2…?mod=web` is listed at
    `https://app.litegallery.io/g/api/stream/858329/f9d2…?json=true`.
    """
    return f"{base_url}{urlsplit(archive_url).path}?json=true"


def _join(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        raise Transient(Reason.PHOTO_UNAVAILABLE, "the gallery leads to no address") from None


def _path_and_query(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
