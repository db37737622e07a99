"""Client of the gallery: its list, its photos, and the call that tells it that an archive is done."""

import json
import time
from collections.abc import Mapping, Sequence
from copy import copy
from urllib.parse import urlsplit

from common.clouds.photos import Photo
from common.crypto.sealing import Secret
from common.crypto.signing import sign
from common.errors import AddressRefused, PhotoRejected, Reason, Transient
from common.http.client import HttpClient, StreamedAnswer, parse_retry_after
from common.http.deadlines import Cancellation
from common.http.network_policy import NetworkPolicy
from common.http.urls import LinkRefused, check_link
from common.messages.archive_job import ArchiveJob
from common.telemetry.trace_context import outgoing_headers
from worker.gallery.manifest import Manifest, read_manifest
from worker.gallery.redirects import MAX_REDIRECTS, read_location, resolve_link

# 10,000 photos need 3 MB; a hundred thousand still fit.
MAX_LIST_BYTES = 50 * 1024 * 1024
# The largest list at 170 kB a second; a photo may take longer, as long as it comes fast enough.
LIST_SECONDS = 300.0
# Signed addresses carry a token of their signer; it is what nginx takes: large_client_header_buffers.
MAX_ADDRESS_LENGTH = 8 * 1024
# Statuses that come with a body (RFC 9110, section 15.3); whoever reads the body verifies it.
_CONTENT_STATUSES = (200, 201, 202, 203, 206)


class Gallery:
    """Client of the gallery. Thread-safe.

    Redirects are followed as browsers follow them, and no further than to the hosts that are named here. No request
    carries anybody's credentials, so none can leak.

    Args:
        http: sends the requests.
        base_url: where lists are read, and photos that their own host does not have.
        photo_hosts: patterns of the hosts photos may be read from.
        done_url: called when an archive has ended.
        signing_secrets: sign the done call; without any it is not signed.
        policy: whether photos may also be read by plain http and from any port.
    """

    def __init__(
        self,
        http: HttpClient,
        *,
        base_url: str,
        photo_hosts: Sequence[str],
        done_url: str,
        signing_secrets: Sequence[Secret],
        policy: NetworkPolicy,
    ) -> None:
        self._http = http
        self._base_url = base_url
        self._photo_hosts = photo_hosts
        self._list_hosts = (_host(base_url), *photo_hosts)
        self._done_hosts = (_host(done_url), *self._list_hosts)
        self._done_url = done_url
        self._signing_secrets = signing_secrets
        self._policy = policy

    def cancelled_by(self, end: Cancellation) -> "Gallery":
        """Return the same gallery, whose requests end with the work; see `HttpClient.cancelled_by`."""
        gallery = copy(self)
        gallery._http = self._http.cancelled_by(end)
        return gallery

    def fetch_manifest(self, archive_url: str) -> Manifest:
        """Return what the gallery lists for an archive.

        Raises:
            Transient: there is no list, or not a usable one; there may be one later.
        """
        headers = {"Accept": "application/json", **outgoing_headers()}
        incoming = self._follow("GET", list_url(self._base_url, archive_url), headers, self._list_hosts)
        try:
            # Whoever passes a list on may say so with 203.
            if incoming.status not in (200, 203):
                raise _unavailable(incoming)
            body = incoming.read(MAX_LIST_BYTES, LIST_SECONDS)
        finally:
            incoming.close()
        return read_manifest(body)

    def open_photo(self, photo: Photo, offset: int, etag: str | None) -> StreamedAnswer:
        """Open a photo's bytes at its own host or, where that fails, under the same path at the gallery's.

        Args:
            photo: whose bytes.
            offset: the first byte wanted; the answer may begin elsewhere, which the caller must check.
            etag: the version wanted; of another version all bytes may come.

        Raises:
            Transient: neither host gives it.
            PhotoRejected: its host is not one photos may be read from, or leads to no public address.
        """
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", **outgoing_headers()}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            # A weak one does not promise the same bytes: RFC 9110, section 13.1.5.
            if etag and not etag.startswith("W/"):
                headers["If-Range"] = etag
        self._check_photo(photo)
        try:
            return self._open_at(photo.url, headers, self._photo_hosts)
        except AddressRefused as refused:
            raise PhotoRejected(Reason.URL_NOT_ALLOWED, refused.detail) from None
        except Transient as failure:
            return self._open_here(photo, headers, failure)

    def tell_done(self, job: ArchiveJob, failed_photos: int) -> None:
        """Tell the gallery that an archive is done.

        The body is exactly what its API asks for and does not say which archive it was: the headers do. The same
        call may come more than once, always with the same key. Led elsewhere, it goes on as the very same call,
        signature and all; but not by 303, which asks for a GET: its answer would not say whether anybody took the end.

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
            **outgoing_headers(),
            **sign(self._signing_secrets, job.id, int(time.time()), body),
        }
        incoming = self._follow("POST", self._done_url, headers, self._done_hosts, body)
        incoming.close()
        if not 200 <= incoming.status < 300:
            raise _unavailable(incoming)

    def _open_at(self, url: str, headers: Mapping[str, str], hosts: Sequence[str]) -> StreamedAnswer:
        """Open a photo at an address; raises Transient if it is not available there."""
        incoming = self._follow("GET", url, headers, hosts, redirect_reason=Reason.URL_NOT_ALLOWED)
        if incoming.status == 416 and "Range" in headers:
            # It has no such part, or thinks so: then all of it.
            incoming.close()
            whole = {name: value for name, value in headers.items() if name not in ("Range", "If-Range")}
            incoming = self._follow("GET", url, whole, hosts, redirect_reason=Reason.URL_NOT_ALLOWED)
        if incoming.status in _CONTENT_STATUSES:
            return incoming
        incoming.close()
        raise _unavailable(incoming, Reason.PHOTO_UNAVAILABLE)

    def _open_here(self, photo: Photo, headers: Mapping[str, str], failure: Transient) -> StreamedAnswer:
        """Open a photo at the gallery's own host, after the photo's failed."""
        try:
            return self._open_at(self._base_url + _path_and_query(photo.url), headers, self._list_hosts)
        except Transient:
            # A forbidden redirect is to be reported: that can be mended. Else the gallery's own answer counts.
            if failure.reason is Reason.URL_NOT_ALLOWED:
                raise failure from None
            raise

    def _follow(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        hosts: Sequence[str],
        body: bytes | None = None,
        *,
        redirect_reason: Reason = Reason.GALLERY_UNAVAILABLE,
    ) -> StreamedAnswer:
        """Send a request and follow redirects; return the first answer that is none, unread.

        Args:
            method: sent unchanged to every address.
            url: where to begin; not checked.
            headers: sent unchanged to every address.
            hosts: patterns of the hosts that redirects may lead to.
            body: sent unchanged to every address.
            redirect_reason: of the Transient that is raised for a redirect to any other host.
        """
        for _ in range(1 + MAX_REDIRECTS):
            incoming = self._http.open(method, url, headers=headers, body=body)
            location = read_location(incoming.status, incoming.headers)
            if not location or (method == "POST" and incoming.status == 303):
                return incoming
            incoming.close()
            try:
                url = self._resolve_redirect(url, location, hosts)
            except LinkRefused as refused:
                raise Transient(redirect_reason, f"the gallery leads to an address that {refused}") from None
        raise Transient(Reason.GALLERY_UNAVAILABLE, "the gallery leads in a circle")

    def _resolve_redirect(self, url: str, location: str, hosts: Sequence[str]) -> str:
        """Return the target of a redirect; raises LinkRefused unless it is allowed."""
        target = resolve_link(url, location)
        check_link(target, hosts, policy=self._policy, max_length=MAX_ADDRESS_LENGTH)
        # No redirect from https to http, not even in the sandbox.
        if url.lower().startswith("https:") and not target.startswith("https:"):
            raise LinkRefused("must be https")
        return target

    def _check_photo(self, photo: Photo) -> None:
        try:
            check_link(photo.url, self._photo_hosts, policy=self._policy, max_length=MAX_ADDRESS_LENGTH)
        except LinkRefused as refused:
            raise PhotoRejected(Reason.URL_NOT_ALLOWED, f"the photo's address {refused}") from None


def list_url(base_url: str, archive_url: str) -> str:
    """Return where the list of an archive is: its path at the gallery's own address, asked for as JSON.

    `https://arch-d.lite.gallery/g/api/stream/858329/f9d2…?mod=web` is listed at
    `https://app.litegallery.io/g/api/stream/858329/f9d2…?json=true`.
    """
    return f"{base_url}{urlsplit(archive_url).path}?json=true"


def _unavailable(incoming: StreamedAnswer, reason: Reason = Reason.GALLERY_UNAVAILABLE) -> Transient:
    """Return the error for an answer without content: below 500 it may be the photo's fault, above never."""
    reason = Reason.GALLERY_UNAVAILABLE if incoming.status >= 500 else reason
    return Transient(reason, f"the gallery answered {incoming.status}", wait=parse_retry_after(incoming.headers))


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _path_and_query(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
