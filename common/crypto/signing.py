"""Signatures of the done call (Standard Webhooks), so that a gallery can tell it from forged ones.

Specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from common.crypto.sealing import Secret

PREFIX = "whsec_"
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64  # bytes, by the specification


def decode_secret(text: str) -> bytes:
    """Return the bytes of a secret written as `whsec_` and base64.

    Raises:
        ValueError: it is not written so, or has not 24 to 64 bytes; says so without repeating it.
    """
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not text.startswith(PREFIX) or not MIN_SECRET_BYTES <= len(secret) <= MAX_SECRET_BYTES:
        raise ValueError(f"a signing secret is {PREFIX} and 24 to 64 bytes in base64")
    return secret


def sign(secrets: Sequence[Secret], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign a body, one signature for each secret; none without secrets.

    Args:
        secrets: as `decode_secret` takes them; more than one while they are being changed.
        message_id: the same for every repetition of the same call.
        timestamp: of this attempt, Unix time in seconds.
        body: exactly the bytes that are sent.
    """
    if not secrets:
        return {}
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = (hmac.new(decode_secret(secret.reveal()), content, hashlib.sha256).digest() for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(signature).decode()}" for signature in signatures),
    }
