"""Generator of valid JPEGs of an exact size, each different."""

import hashlib
import io
import random
import zlib
from dataclasses import dataclass
from typing import Any

from PIL import Image

MISSING = "missing"  # as `crc` or `filesize`: the list leaves the field out
_COMMENT = 65533  # the longest payload of one comment segment: its length field of two bytes counts itself


@dataclass(frozen=True)
class Picture:
    """One photo of a gallery, and its entry in the list.

    Attributes:
        name: Album and file name, as listed.
        data: The bytes served.
        created_at: As listed.
        id: As listed; None takes the next free number.
        crc: "auto" is the truth in eight hex digits; "missing" leaves the field out; anything else is listed as given.
        filesize: The same, in bytes.
        url: Listed as given; None is the photo server's address of it.
    """

    name: str
    data: bytes
    created_at: Any = "2024-08-17 12:54:32 +0300"
    id: Any = None
    crc: Any = "auto"
    filesize: Any = "auto"
    url: Any = None

    @property
    def md5(self) -> str:
        """The MD5 of the bytes, in hex."""
        return hashlib.md5(self.data).hexdigest()

    def listed(self, number: Any, url: str) -> dict[str, Any]:
        """Return the entry the gallery's list has for it, fields in the gallery's own order."""
        crc = f"{zlib.crc32(self.data):08x}" if self.crc == "auto" else self.crc
        size = len(self.data) if self.filesize == "auto" else self.filesize
        entry = {"crc": crc, "filesize": size, "created_at": self.created_at, "name": self.name}
        entry |= {"url": url if self.url is None else self.url, "id": number}
        return {key: value for key, value in entry.items() if value != MISSING}


def draw(seed: int, size: int) -> bytes:
    """Return a JPEG of exactly `size` bytes, or the smallest there is if that is larger.

    Args:
        seed: Another seed, other pixels and other bytes.
        size: Bytes.
    """
    side = 256 if size > 20_000 else 32 if size > 2_000 else 8
    chance = random.Random(seed)
    colours = [tuple(chance.randrange(256) for _ in range(3)) for _ in range(9)]
    image = Image.new("RGB", (3, 3))
    for place, colour in enumerate(colours):
        image.putpixel((place % 3, place // 3), colour)
    file = io.BytesIO()
    image.resize((side, side), Image.Resampling.BICUBIC).save(file, "JPEG", quality=70)
    return _pad(file.getvalue(), size, chance)


def album(count: int, size: int, albums: int = 1, seed: int = 0) -> list[Picture]:
    """Return `count` pictures of `size` bytes, named like the seed's, spread over `albums` folders.

    Args:
        count: How many.
        size: Bytes of each.
        albums: Folders; 0 puts the photos straight into the gallery.
        seed: Another seed, other pictures.
    """
    pictures = []
    for number in range(count):
        folder = f"Photos {number % albums + 1}/" if albums else ""
        pictures.append(Picture(f"{folder}Test_{number + 1:03d}.jpg", draw(seed * 1_000_003 + number, size)))
    return pictures


def _pad(jpeg: bytes, size: int, chance: random.Random) -> bytes:
    """Fill up with comment segments and, for the last three bytes, with fill bytes (ITU-T T.81, B.1.1.2)."""
    start, rest = jpeg[:2], jpeg[2:]
    parts = [start]
    missing = size - len(jpeg)
    while missing >= 4:
        payload = min(missing - 4, _COMMENT)
        parts.append(b"\xff\xfe" + (payload + 2).to_bytes(2, "big") + chance.randbytes(payload))
        missing -= payload + 4
    parts.append(b"\xff" * max(missing, 0))
    return b"".join([*parts, rest])
