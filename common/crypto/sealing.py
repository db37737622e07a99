"""Authenticated encryption of small texts (sealing), and a type for secrets that hides them.

A sealed text is AES-256-GCM over zlib's form of it, in URL-safe base64, bound to what it belongs to (its context):
a grant sealed for one job does not open for another. The first key seals, every key opens, so keys can be rotated:
put the new one first everywhere, wait until nothing sealed by the old one travels, then drop it.

`python -m tools.make_key` prints a fresh key.
"""

import base64
import binascii
import hmac
import os
import zlib
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

KEY_BYTES = 32  # AES-256
NONCE_BYTES = 12  # what GCM is made for: NIST SP 800-38D, section 8.2
# Texts of up to so many bytes are not compressed (zlib's level 0): that takes longer than sealing does, and whatever
# carries sealed texts has room for 750 characters. Longer ones are compressed as far as zlib can.
UNCOMPRESSED_BYTES = 512
# A few kilobytes is the most we ever seal; the bound keeps a forged text from unpacking into memory.
MAX_TEXT_BYTES = 64 * 1024


class NotSealedByUs(ValueError):
    """The text was not sealed by one of our keys for this context, or it was changed on its way."""


class Secret:
    """A text that no log, repr or exception shows; `reveal()` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret text."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({len(self._text)} characters)"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Sealer:
    """Seals and opens small texts. Thread-safe.

    Args:
        keys: keys as `python -m tools.make_key` prints them; the first seals, all open.

    Raises:
        ValueError: there is no key, or one of them is not 32 bytes of URL-safe base64.
    """

    def __init__(self, keys: Sequence[Secret]) -> None:
        if not keys:
            raise ValueError("at least one key is needed")
        raw = [_decode_key(key) for key in keys]
        self._ciphers = [AESGCM(key) for key in raw]
        # MACs have keys of their own, derived from the same secrets: no key serves two purposes.
        self._macs = [HMAC(hmac.digest(key, b"stamp", "sha256"), SHA256()) for key in raw]

    def __repr__(self) -> str:
        return f"Sealer({len(self._ciphers)} keys)"

    def seal(self, text: str, context: str) -> str:
        """Return text sealed for one context, safe to put into a URL."""
        nonce = os.urandom(NONCE_BYTES)
        plain = text.encode()
        packed = zlib.compress(plain, 0 if len(plain) <= UNCOMPRESSED_BYTES else 9)
        return _to_base64(nonce + self._ciphers[0].encrypt(nonce, packed, context.encode()))

    def open(self, sealed: str, context: str) -> str:
        """Return the text that was sealed for this context.

        Raises:
            NotSealedByUs: another key, another context, or not what `seal` returned.
        """
        try:
            raw = base64.b64decode(sealed + "=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise NotSealedByUs("not base64") from None
        # Base64 ignores the spare bits of the last character; we do not: one text, one spelling.
        if len(raw) <= NONCE_BYTES or _to_base64(raw) != sealed:
            raise NotSealedByUs("not a sealed text")
        return _unpack(self._decrypt(raw, context.encode()))

    def mac(self, data: bytes, context: str) -> bytes:
        """Return the MAC (HMAC-SHA256, 32 bytes) of data for a context, by the first key."""
        return _finish(self._macs[0], data, context)

    def verify_mac(self, mac: bytes, data: bytes, context: str) -> bool:
        """Say whether a MAC, whole or truncated, is one by any of the keys."""
        macs = (_finish(begun, data, context) for begun in self._macs)
        return bool(mac) and any(hmac.compare_digest(mac, whole[: len(mac)]) for whole in macs)

    def _decrypt(self, raw: bytes, context: bytes) -> bytes:
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], context)
            except InvalidTag:
                continue
        raise NotSealedByUs("no key opens it here")


def make_key() -> str:
    """Return a fresh random key."""
    return _to_base64(os.urandom(KEY_BYTES))


def _decode_key(key: Secret) -> bytes:
    text = key.reveal().strip().rstrip("=")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise ValueError("a key is 32 random bytes in URL-safe base64; `python -m tools.make_key` prints one")
    return raw


def _finish(begun: HMAC, data: bytes, context: str) -> bytes:
    mac = begun.copy()
    mac.update(context.encode() + b"\0" + data)
    return mac.finalize()


def _to_base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unpack(packed: bytes) -> str:
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(packed, MAX_TEXT_BYTES)
    if not unpacker.eof:
        raise NotSealedByUs("longer than anything we seal")
    return text.decode()
