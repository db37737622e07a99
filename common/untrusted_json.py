"""JSON from others, read so that nothing in it surprises whoever works with it later. Knows no sender."""

import json
import math
import re
from typing import Any

# An escape may spell half a character (a lone surrogate), which no header, address or message can carry on.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def read_json(body: bytes) -> Any:
    """Return what a body says.

    Raises:
        ValueError: it is no JSON (https://www.rfc-editor.org/rfc/rfc8259), or it holds what that allows and nobody can
            use: half a character, a number without end, nesting deeper than Python's.
    """
    text = body.decode("utf-8-sig")
    try:
        told = json.loads(text, parse_float=_read_float, parse_constant=_read_float)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _HALF.search(text):
        json.dumps(told, ensure_ascii=False).encode()
    return told


def _read_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number without end")
    return number
