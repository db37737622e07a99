"""The galleries of a chaos run: nested albums, equal names, empty photos, large ones. Knows no fault."""

import random

from sandbox.gallery.host import Archive
from sandbox.gallery.pictures import Picture, draw
from sandbox.world import World

PHOTOS = 60  # of each gallery
_NAMES = ("Свадьба Анны и Ивана", "O'Brien \\ Söhne", "Portraits «№1» 100%", "卒業式")
_ALBUMS = ("", "Утро невесты/", "Церемония/У озера/", "Церемония/У озера/Гости/", "Banquet & dancing/", "it's/")
# Sizes in bytes and how many of the drawn photos have them: most are small, so that there are many; some are larger
# than a request of CHUNK_SIZE_MIB=1, so that sessions are broken in the middle.
_SIZES = ((2_000, 30_000, 40), (60_000, 400_000, 16), (1_100_000, 2_800_000, 4))


def draw_pool(chance: random.Random) -> list[bytes]:
    """Draw photos; galleries share their bytes, so that a long run needs no more memory than a short one."""
    drawn = [
        draw(chance.randrange(2**32), chance.randrange(least, most))
        for least, most, count in _SIZES
        for _ in range(count)
    ]
    return [*drawn, b""]


def add_gallery(world: World, number: int, pool: list[bytes], chance: random.Random) -> Archive:
    """Put up a gallery.

    Args:
        world: where.
        number: tells its name and its photos' names from those of all others.
        pool: what its photos may show.
        chance: decides the rest.
    """
    photos = [_make_photo(number, place, pool, chance) for place in range(PHOTOS - 2)]
    twin = photos[0]
    # Two photos of one name in one album, one of them empty: as cameras number and guests upload.
    photos += [Picture(twin.name, pool[1]), Picture(twin.name, b"")]
    return world.gallery.add(f"{_NAMES[number % len(_NAMES)]} {number}", photos)


def photo_mark(number: int, place: int) -> str:
    """Return what stands in one photo's name only, however it is spelled in an address."""
    return f"g{number}-{place:03d}."


def _make_photo(number: int, place: int, pool: list[bytes], chance: random.Random) -> Picture:
    word = chance.choice(("Test_", "Фото ", "IMG (1) "))
    return Picture(f"{chance.choice(_ALBUMS)}{word}{photo_mark(number, place)}jpg", chance.choice(pool))
