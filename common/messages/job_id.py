"""Job ids: unguessable, and stamped so that an id proves that it was issued here.

Nothing is written down when a guest asks, so an id has to show by itself that it was not made up. Whoever
has one may read that archive's status and cancel it: its random part is unguessable.
"""

import base64
import binascii
import secrets

from common.crypto.sealing import Sealer

RANDOM_BYTES, TIME_BYTES, STAMP_BYTES = 16, 4, 8
_CONTEXT = "job id"


def make_job_id(sealer: Sealer, now: float) -> str:
    """Return a fresh id: random part, time and stamp, safe in a URL and in a routing key.

    Args:
        sealer: stamps it.
        now: Unix time in seconds.
    """
    signed = secrets.token_bytes(RANDOM_BYTES) + int(now).to_bytes(TIME_BYTES, "big")
    return base64.urlsafe_b64encode(signed + sealer.mac(signed, _CONTEXT)[:STAMP_BYTES]).rstrip(b"=").decode()


def is_job_id(sealer: Sealer, text: str) -> bool:
    """Say whether an id was issued here, under any key that still opens."""
    raw = _decode(text)
    signed, stamp = raw[:-STAMP_BYTES], raw[-STAMP_BYTES:]
    return len(signed) == RANDOM_BYTES + TIME_BYTES and sealer.verify_mac(stamp, signed, _CONTEXT)


def read_job_time(job_id: str) -> float:
    """Return when an id was issued, Unix time in seconds; only of one that was issued here."""
    return float(int.from_bytes(_decode(job_id)[RANDOM_BYTES : RANDOM_BYTES + TIME_BYTES], "big"))


def _decode(text: str) -> bytes:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    # Base64 ignores the spare bits of the last character; we do not: one id, one spelling.
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == text else b""
