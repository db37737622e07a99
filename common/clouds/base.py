"""The contract of a cloud: what every cloud offers, and what it may expect of a photo.

A cloud has two halves. `web` uses its auth half to ask for a guest's grant; `worker` opens its storage half with it.
Both raise by the tree of `common.errors` only: a vendor's own codes never pass its folder's wall.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from common.clouds.digests import NewDigest
from common.clouds.grant import Grant, SharedGrant
from common.clouds.photos import NO_PHOTOS, Album, Folder, Inventory, Photo, PhotosByKey, StoredPhoto
from common.config.env import CloudSettings, Variable
from common.http.client import HttpClient

Operation = tuple[str, str, str]
"""One kind of a cloud's requests: its method, a pattern of its whole path and query, and what operators call it."""


Sleep = Callable[[float], None]
"""Waits so many seconds; raises when the work is to stop meanwhile."""

PacedWrite = Callable[[], AbstractContextManager[None]]
"""Surrounds a call that the cloud counts as a write: waits for its turn, and counts it as accepted unless it raises."""


class PhotoStream(Protocol):
    """A photo's bytes, readable again from any offset. Used by one thread; holds one block."""

    def open(self) -> None:
        """Ask the source for the photo from its beginning, so that its bytes are on their way before they are needed.

        Raises:
            Transient: the source broke or has not got it; it may be asked again.
            PhotoRejected: this source will never be read.
        """
        ...

    def blocks(self, start: int, end: int) -> Iterator[memoryview]:
        """Yield the bytes from start up to end in blocks; a block is overwritten by the next.

        The photo's last block comes only after size and CRC-32 of the whole agree with the list, so that wrong
        bytes never become a photo.

        Raises:
            Transient: the source broke or is not what was listed; it may be asked again.
            SessionLost: bytes that were already given out are worthless; the upload must begin anew.
            PhotoRejected: this source will never be read.
        """
        ...

    @property
    def digest(self) -> str | None:
        """The cloud's digest (`Cloud.new_digest`) of the whole photo, once all of it was read in order; None before."""
        ...

    def close(self) -> None:
        """Let the source go."""
        ...


class UploadSession(Protocol):
    """One photo on its way into a cloud. Used by one thread."""

    @property
    def offset(self) -> int:
        """How many bytes the cloud is known to hold; may go back."""
        ...

    @property
    def stored(self) -> StoredPhoto | None:
        """The photo, once it is in and its size and digest agree."""
        ...

    def advance(self, stream: PhotoStream) -> float:
        """Take from the stream what the cloud takes at once, and learn where it stands.

        After a Transient the next call first asks the cloud where it stands; "already complete" is an answer.

        Returns:
            Seconds to let pass before the next call: the cloud has the bytes and is not done with them. Others may
            move meanwhile; nothing here sleeps. 0 when it may go on at once.

        Raises:
            Transient: the same session may go on.
            SessionLost: another session must begin.
            PhotoRejected, JobStopped: as they say.
        """
        ...

    def abandon(self) -> None:
        """Tell the cloud that nothing more comes; takes a few seconds at most, and never raises an ArchiveError.

        Where the cloud has taken all bytes already, and tells at once that they are right, the photo is stored after
        all: nothing shall stay that nobody knows to be this service's.
        """
        ...


class Storage(Protocol):
    """A cloud, opened with one guest's grant. Shared by threads."""

    def free_bytes(self) -> int | None:
        """Return the free space in bytes; None when the cloud sets no limit."""
        ...

    def take_inventory(self, archive_key: str, known: PhotosByKey = NO_PHOTOS) -> Inventory:
        """Return what there is of this archive; never trusts names.

        Args:
            archive_key: the archive's.
            known: a photo that is there just as it is known is given back as that object, not as one more.
        """
        ...

    def make_albums(self, archive_key: str, gallery_name: str, wanted: Collection[Album], inventory: Inventory) -> None:
        """Add the folders of every wanted album, and of all it stands in, to the inventory; those there are kept."""
        ...

    def merge_albums(self, inventory: Inventory) -> None:
        """Merge duplicate albums: move what is in them into those that stay, and put the empty ones into the bin."""
        ...

    def is_there(self, stored: StoredPhoto) -> bool:
        """Tell whether a photo is still where it was stored; asks for it alone, so it never lags behind."""
        ...

    def begin(self, archive_key: str, photo: Photo, folder: Folder) -> UploadSession:
        """Open a session for a photo; repeating it for the same photo never makes a second file.

        Nor does a photo that the last inventory showed unproved: the session reads the source and compares.
        """
        ...

    def open_proofs(self, archive_key: str, photo: Photo, folder: Folder) -> Iterator[UploadSession]:
        """Open a session for each file that may be the photo and was never proved, as the last inventory showed.

        Such a session reads the source and compares; it uploads nothing. What is another file is `SessionLost`, and
        any exception ends it.
        """
        ...

    def remove(self, stored: StoredPhoto) -> None:
        """Remove a photo that still stands as this service made it; one that does not, or is gone already, is fine."""
        ...

    def note_proved(self, inventory: Inventory) -> None:
        """Note in the cloud that what was copied so far was proved, where photos' properties do not say so.

        Called when a slice ends well. What was copied without it is listed as not proved by everyone who does not
        know it, and is read again by `begin`.

        Args:
            inventory: the archive's folders.
        """
        ...


class StateTooLong(ValueError):
    """More was asked for than this cloud carries through its consent page and back."""


class CloudAuth(Protocol):
    """How a guest's permission is asked for, renewed and given back. Shared by threads."""

    def consent_url(self, redirect_uri: str, state: str, verifier: str) -> str:
        """Return the address of the consent page.

        Args:
            redirect_uri: where the cloud sends the guest back to.
            state: comes back unchanged with the guest.
            verifier: PKCE's secret; only its SHA-256 is in the address (RFC 7636, S256).

        Raises:
            StateTooLong: the cloud would refuse to carry it.
        """
        ...

    def exchange(self, answer: Mapping[str, str], redirect_uri: str, verifier: str) -> Grant:
        """Return the lasting grant for the answer a guest brought back from the consent page.

        Args:
            answer: the callback's query without its state.
            redirect_uri: the same as in `consent_url`.
            verifier: the same as in `consent_url`.

        Raises:
            JobStopped: denied, a needed scope was not granted, or no lasting grant was given.
            Transient: the cloud did not answer.
        """
        ...

    def refresh(self, grant: Grant) -> Grant:
        """Return the grant with a fresh access token, and maybe a new refresh token.

        Raises:
            GrantRevoked: the guest or the cloud took it back.
            Transient: the cloud did not answer.
        """
        ...

    def revoke(self, grant: Grant) -> None:
        """Give the grant back; one that is void already is fine.

        Raises:
            Transient: the cloud did not answer.
        """
        ...


@dataclass(frozen=True)
class Cloud:
    """One cloud: its name, what it wants from the environment, and its two halves.

    Args:
        name: in jobs, URLs and settings; never renamed.
        title: for people.
        titles: the same in other languages, by their codes, where it differs.
        storage_url: where a guest sees what fills their cloud, frees space and gets more.
        variables: what it wants from the environment.
        new_digest: begins the digest by which it tells what it has stored: of each photo that one is computed.
        auth: makes the auth half from those variables.
        storage: makes the storage half, opened with one guest's access: its settings, what sends the requests, the
            guest's permission, the most bytes one upload request carries, how to wait, and what surrounds each call
            that counts as a write.
        operations: what its requests are called when they are counted, the first that fits.
    """

    name: str
    title: str
    variables: tuple[Variable, ...]
    storage_url: str
    new_digest: NewDigest
    auth: Callable[[CloudSettings, HttpClient], CloudAuth]
    storage: Callable[[CloudSettings, HttpClient, SharedGrant, int, Sleep, PacedWrite], Storage]
    operations: tuple[Operation, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)

    def title_in(self, language: str) -> str:
        """Return what people of a language call it."""
        return self.titles.get(language, self.title)
