"""The `appProperties` of this service's files and folders in Drive, and what they prove.

A guest who copies a file or a folder in Drive copies its `appProperties` as well. So each carries a digest of what only
the original can agree with: ids are known before anything is made, since they are fetched beforehand.

Key and value together may have 124 bytes, and 30 of them may stand with a file:
https://developers.google.com/workspace/drive/api/guides/properties
"""

import hashlib
from collections.abc import Iterable, Mapping

ARCHIVE, ALBUM, PHOTO, CRC32 = "archive", "album", "photo", "crc32"
OWN = "own"
"""With folders: proves the id alone. One that was moved or renamed is still ours; a copy is not."""
MADE = "made"
"""With files and folders: proves id, place and name. What was copied, moved or renamed is the guest's to keep."""
RUN = "run"
"""With files: which run made it; the gallery's folder carries the runs all of whose files were proved."""

RUN_CHARS = 4
_RUNS = "runs"
_RUNS_PROPERTIES = 24  # of the 30 there may be
_RUNS_EACH = 28 * RUN_CHARS  # with its key at most 118 bytes


def sign_id(file_id: str) -> str:
    """Return what proves that a folder is the one that was made here."""
    return _digest(file_id)


def sign_place(file_id: str, parent_id: str, name: str) -> str:
    """Return what proves that a file stands as it was made; the top of the disk is a folder without an id."""
    return _digest(f"{file_id}\n{parent_id}\n{name}")


def read_runs(properties: Mapping[str, str]) -> list[str]:
    """Return the runs that a gallery's folder carries, the oldest first."""
    text = "".join(properties.get(f"{_RUNS}{number}", "") for number in range(_RUNS_PROPERTIES))
    return [text[at : at + RUN_CHARS] for at in range(0, len(text), RUN_CHARS)]


def write_runs(runs: Iterable[str]) -> dict[str, str]:
    """Return the properties that carry these runs; of too many the oldest are left out, and only read once more."""
    text = "".join(dict.fromkeys(runs))[-_RUNS_PROPERTIES * _RUNS_EACH :]
    parts = [text[at : at + _RUNS_EACH] for at in range(0, len(text), _RUNS_EACH)]
    return {f"{_RUNS}{number}": part for number, part in enumerate(parts)}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
