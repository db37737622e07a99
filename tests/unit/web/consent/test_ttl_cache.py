"""Caches are small, however long their keys are."""

import sys

from web.consent.callback_results import CallbackResults
from web.consent.idempotency import IdempotencyCache
from web.consent.ttl_cache import TtlCache
from web.http.rate_limit import Quota

EMOJI = "\U0001f5bc" * 1950


def weigh(thing: object, seen: set[int]) -> int:
    """Return the bytes that a thing holds, with all that it holds alone."""
    if id(thing) in seen or isinstance(thing, type) or callable(thing):
        return 0
    seen.add(id(thing))
    held: list[object] = list(vars(thing).values()) if hasattr(thing, "__dict__") else []
    if isinstance(thing, dict):
        held += [*thing.keys(), *thing.values()]
    elif isinstance(thing, (tuple, list, set)):
        held += thing
    return sys.getsizeof(thing) + sum(weigh(each, seen) for each in held)


def test_of_a_long_key_a_digest_is_kept() -> None:
    """3,000 keys of 8 kB each take less than 1 MB."""
    cache = TtlCache[int](60, 50_000, lambda: 0.0)
    for number in range(3000):
        cache.get_or_create(f"/{number}/{EMOJI}", lambda: 1)
    assert weigh(cache, set()) < 1_000_000


def test_limits_keep_no_path() -> None:
    """The same for the limit of an archive's posts."""
    quota = Quota("archive", 300)
    for number in range(3000):
        assert quota.try_consume(f"/{number}/{EMOJI}")
    assert weigh(quota, set()) < 1_500_000


def test_keys_still_differ() -> None:
    """Those that share a beginning, a length or half a character are others."""
    cache = TtlCache[str](60, 50_000, lambda: 0.0)
    keys = [EMOJI, EMOJI + "a", EMOJI + "b", "\ud800", "\udfff", "", "a"]
    assert [cache.get_or_create(key, lambda key=key: key) for key in keys] == keys  # type: ignore[misc]
    assert [cache.get_or_create(key, lambda: "anew") for key in keys] == keys


def test_every_cache_is_one() -> None:
    """Whatever is remembered in `web` is remembered by digests."""
    for owner in (Quota("q", 1), CallbackResults(), IdempotencyCache[str]()):
        assert any(isinstance(each, TtlCache) for each in vars(owner).values()), owner
