"""Photos that failed, as a guest reads them: by reason and album, on the page or as a text to keep."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape

from common.messages.progress import FailedPhoto, Progress
from web.texts import Explanation, Texts

# What names and albums may take of a page that shall stay below 50 kB; a hundred usual names take 3 kB. Those that do
# not fit are in the text.
MAX_NAMES_BYTES = 25_000


@dataclass(frozen=True)
class FailedAlbum:
    """Photos of one album; the empty one is the gallery's own folder."""

    album: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class FailureGroup:
    """Photos that failed for the same reason, by their albums."""

    why: Explanation
    albums: tuple[FailedAlbum, ...]


def group_failures(failures: Iterable[FailedPhoto], texts: Texts) -> tuple[FailureGroup, ...]:
    """Return failed photos by what a guest can do about them, then by album, each in the order in which it came."""
    groups: dict[Explanation, dict[str, list[str]]] = {}
    for each in failures:
        groups.setdefault(texts.explain(each.reason), {}).setdefault(each.album, []).append(each.name)
    return tuple(
        FailureGroup(why, tuple(FailedAlbum(album, tuple(names)) for album, names in albums.items()))
        for why, albums in groups.items()
    )


def fit_on_page(failures: Iterable[FailedPhoto]) -> tuple[FailedPhoto, ...]:
    """Return as many of the first failed photos as a page has room for."""
    return tuple(_take_while_fits(failures))


def write_text(progress: Progress, texts: Texts) -> str:
    """Return all failed photos that are named, as lines of text: album and name, below their reasons."""
    lines = [progress.gallery_name or texts.say("gallery"), texts.count("photos_failed", progress.photos_failed)]
    for group in group_failures(progress.failures, texts):
        lines += ["", group.why.title]
        lines += [f"{each.album}/{name}" if each.album else name for each in group.albums for name in each.names]
    unnamed = progress.photos_failed - len(progress.failures)
    if unnamed > 0:
        lines += ["", texts.count("more", unnamed)]
    return "\n".join(lines) + "\n"


def _take_while_fits(failures: Iterable[FailedPhoto]) -> Iterator[FailedPhoto]:
    left = MAX_NAMES_BYTES
    for each in failures:
        # As if every photo had an album of its own.
        left -= len(escape(each.path).encode())
        if left < 0:
            return
        yield each
