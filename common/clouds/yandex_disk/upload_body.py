"""The body of an upload: a photo's bytes, read from a source that may break, and proved before they make a file."""

from collections.abc import Iterator

from common.clouds.base import PhotoStream
from common.clouds.photos import Photo
from common.errors import Reason, SessionLost, Transient


class UploadBody:
    """The body of one photo's upload, sent in one request, maybe more than once. Used by one thread.

    Args:
        photo: whose bytes it is.

    Attributes:
        md5: of the whole photo, in hex, once all its bytes were read and proved; empty before.
        all_sent: whether a request was given the last byte: from then on only the cloud knows whether it has the photo.
    """

    def __init__(self, photo: Photo) -> None:
        self.md5 = ""
        self.all_sent = False
        self._size = photo.size

    def open(self, stream: PhotoStream) -> bytes | Iterator[memoryview]:
        """Return the body of a request; raises as `PhotoStream.blocks`."""
        self.all_sent = False
        if self._size:
            return self._blocks(stream)
        # An empty request makes an empty file, whatever its source holds: that shows first that it is empty. The body
        # must be bytes, since one without blocks would go out chunked.
        self.prove(stream)
        self.all_sent = True
        return b""

    def prove(self, stream: PhotoStream) -> None:
        """Read the whole photo, unless all of it was read before.

        Raises:
            SessionLost, Transient, PhotoRejected: it is not what was listed, or nobody said that it is.
        """
        self.md5 = stream.digest or ""
        if not self.md5:
            for _ in stream.blocks(0, self._size):
                pass
            self.md5 = stream.digest or ""
        if not self.md5:
            raise SessionLost(Reason.WRONG_BYTES, "the photo's bytes were read and not proved")

    def _blocks(self, stream: PhotoStream) -> Iterator[memoryview]:
        """Yield the photo; a source that breaks is opened again where it broke, since the request can't be."""
        at = 0
        while at < self._size:
            began = at
            try:
                for block in stream.blocks(at, self._size):
                    at += len(block)
                    if at == self._size:
                        self.md5 = stream.digest or ""
                        self.all_sent = True
                    yield block
            except Transient:
                if at == began:
                    raise
