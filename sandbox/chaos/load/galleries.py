"""Galleries of a chaos run: nested albums, equal names, empty photos, large ones."""

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
    """Draw the bytes of photos; galleries share them, so that a long run needs no more memory than a short one."""
    drawn = [
        draw(chance.randrange(2**32), chance.randrange(min_size, max_size))
        for min_size, max_size, count in _SIZES
        for _ in range(count)
    ]
    return [*drawn, b""]


def add_gallery(world: World, number: int, pool: list[bytes], chance: random.Random) -> Archive:
    """Add a gallery to the stand-in.

    Args:
        world: the stand-ins.
        number: makes its name and its photos' names unique.
        pool: the bytes its photos are drawn from.
        chance: the random source.
    """
    photos = [_make_photo(number, place, pool, chance) for place in range(PHOTOS - 2)]
    twin = photos[0]
    # Two photos of one name in one album, one of them empty: as cameras number and guests upload.
    photos += [Picture(twin.name, pool[1]), Picture(twin.name, b"")]
    return world.gallery.add(f"{_NAMES[number % len(_NAMES)]} {number}", photos)


def photo_mark(number: int, place: int) -> str:
    """Return a part of one photo's name that is unique and survives URL encoding; faults match by it."""
    return f"g{number}-{place:03d}."


def _make_photo(number: int, place: int, pool: list[bytes], chance: random.Random) -> Picture:
    word = chance.choice(("Test_", "Фото ", "IMG (1) "))
    return Picture(f"{chance.choice(_ALBUMS)}{word}{photo_mark(number, place)}jpg", chance.choice(pool))
