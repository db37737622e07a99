"""CPU cost of MD5 and CRC-32 on this machine, which every program that verifies its copies pays."""

import hashlib
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from isal.isal_zlib import crc32

_BLOCK = bytes(256 * 1024)
_ROUNDS = 400


def price(function: Callable[[bytes], Any]) -> float:
    """Return the CPU seconds per GB of a function of bytes, the middle of three."""
    return median(_price(function) for _ in range(3))


def _price(function: Callable[[bytes], Any]) -> float:
    began = time.process_time()
    for _ in range(_ROUNDS):
        function(_BLOCK)
    return (time.process_time() - began) / (_ROUNDS * len(_BLOCK)) * 1e9


def price_hashing() -> tuple[float, float]:
    """Return what MD5 and what CRC-32 cost, as the worker computes them, in CPU seconds per GB."""
    return price(lambda block: hashlib.md5(block, usedforsecurity=False)), price(crc32)
