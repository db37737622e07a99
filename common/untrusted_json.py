"""Reading JSON from others, without values that break whoever works with it later."""

import json
import math
import re
from typing import Any

# An escape may spell a lone surrogate, which no header, address or message can carry.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_json(body: bytes) -> Any:
    """Return the value of a JSON text in UTF-8.

    Raises:
        ValueError: it is no JSON (https://www.rfc-editor.org/rfc/rfc8259), or it holds what that allows and nobody can
            use: a lone surrogate, an infinite number, nesting deeper than Python's.
    """
    text = body.decode("utf-8-sig")
    try:
        value = json.loads(text, parse_float=_read_float, parse_constant=_read_float)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _SURROGATE.search(text):
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _read_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number without end")
    return number
