"""Contents of the guests' cloud accounts, compared with what their galleries hold."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from sandbox.demo import guest
from sandbox.gallery.host import Archive
from sandbox.storage import tree
from sandbox.world import World

LOGINS = ("anna", "ivan")
_NUMBER = re.compile(r" \(\d+\)(?=\.[^./]*$)")


def account_of(world: World, login: str, cloud: str) -> tree.Account[Any]:
    """Return a guest's account at a cloud's stand-in."""
    account: tree.Account[Any] = world.clouds[cloud].storage.account(login)
    return account


def count_missing(found: list[guest.Stored], archive: Archive, cloud: str) -> int:
    """Return how many of a gallery's photos are not among the files of an account."""
    expected = archive.expected()
    return (Counter(expected) - Counter(rename(found, expected, cloud))).total()


def rename(found: list[guest.Stored], expected: Iterable[guest.Stored], cloud: str) -> list[guest.Stored]:
    """Return the files of an account under the names that the gallery gave them, where the cloud needs others."""
    names = Counter(path for path, _, _ in expected)
    if cloud != "yadisk":
        return found
    # "a (2).jpg" is "a.jpg" where several photos are listed by that name: one path can have one only.
    plain = [(_NUMBER.sub("", path), size, md5) for path, size, md5 in found]
    return [new if names[new[0]] > 1 else old for old, new in zip(found, plain, strict=True)]
