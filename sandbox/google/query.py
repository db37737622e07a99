"""Parser of the `q` parameter of files.list.

https://developers.google.com/workspace/drive/api/guides/search-files
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sandbox.google.errors import ApiError

Test = Callable[[dict[str, Any]], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\['\\])*')|(?P<sign><=|>=|!=|=|<|>|\(|\)|\{|\})|(?P<word>[A-Za-z][A-Za-z0-9.]*))"
)
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}
_TEXTS = {"name", "mimeType"}
_TIMES = {"modifiedTime", "createdTime", "viewedByMeTime"}
_FLAGS = {"trashed", "starred", "sharedWithMe"}
_DEPTH = 60  # brackets and `not`s inside each other; nobody needs more, and each costs a frame


def compile_query(text: str, root: str) -> Test:
    """Turn a `q` into a test of an item, given as the API's own JSON.

    Args:
        text: As given, decoded.
        root: The id that the alias `root` means.

    Raises:
        ApiError: It does not parse: an unescaped quote or backslash, an unknown term, a wrong operator.
    """
    parser = _Parser(text, root)
    test = parser.parse_or()
    if parser.tokens:
        raise _bad()
    return test


class _Parser:
    """Recursive descent: or, and, not, term."""

    def __init__(self, text: str, root: str):
        self.tokens = _split(text)
        self.root = root
        self.depth = 0

    def parse_or(self) -> Test:
        """Read terms joined by `or`, which binds weaker than `and`."""
        self.depth += 1
        if self.depth > _DEPTH:
            raise _bad()
        tests = [self._parse_and()]
        while self._skip("or"):
            tests.append(self._parse_and())
        self.depth -= 1
        return lambda item: any(test(item) for test in tests)

    def _parse_and(self) -> Test:
        tests = [self._parse_not()]
        while self._skip("and"):
            tests.append(self._parse_not())
        return lambda item: all(test(item) for test in tests)

    def _parse_not(self) -> Test:
        if self._skip("not"):
            self.depth += 1
            if self.depth > _DEPTH:
                raise _bad()
            inner = self._parse_not()
            self.depth -= 1
            return lambda item: not inner(item)
        if self._skip("("):
            inner = self.parse_or()
            self._expect(")")
            return inner
        return self._parse_term()

    def _parse_term(self) -> Test:
        kind, value = self._take()
        if kind == "string":
            return self._parse_in(value)
        if value in _TEXTS:
            return self._parse_text(value)
        if value in _TIMES:
            return self._parse_time(value)
        if value in _FLAGS:
            return self._parse_flag(value)
        if value in ("appProperties", "properties"):
            return self._parse_has(value)
        raise _bad()

    def _parse_in(self, value: str) -> Test:
        self._expect("in")
        place = self._take()[1]
        if place == "parents":
            parent = self.root if value == "root" else value
            return lambda item: parent in item.get("parents", ())
        if place in ("owners", "writers", "readers"):
            return lambda _: True
        raise _bad()

    def _parse_text(self, name: str) -> Test:
        operator = self._take()[1]
        value = self._take_string()
        if operator in ("=", "!="):
            compare = _ORDER[operator]
            return lambda item: compare(item.get(name, ""), value)
        if operator != "contains":
            raise _bad()
        # `contains` matches the beginnings of words for names, any part for types.
        if name == "mimeType":
            return lambda item: value in item.get(name, "")
        words = re.compile(r"(?:^|\W)" + re.escape(value), re.IGNORECASE)
        return lambda item: bool(words.search(item.get(name, "")))

    def _parse_time(self, name: str) -> Test:
        compare = _ORDER.get(self._take()[1])
        value = _moment(self._take_string())
        if compare is None:
            raise _bad()
        return lambda item: name in item and compare(_moment(item[name]), value)

    def _parse_flag(self, name: str) -> Test:
        if name == "sharedWithMe" and (not self.tokens or self.tokens[0][1] not in ("=", "!=")):
            return lambda _: False
        operator, value = self._take()[1], self._take()
        if operator not in ("=", "!=") or value not in (("word", "true"), ("word", "false")):
            raise _bad()
        wanted = (value[1] == "true") == (operator == "=")
        return lambda item: bool(item.get(name, False)) == wanted

    def _parse_has(self, name: str) -> Test:
        for word in ("has", "{", "key", "="):
            self._expect(word)
        key = self._take_string()
        for word in ("and", "value", "="):
            self._expect(word)
        value = self._take_string()
        self._expect("}")
        return lambda item: item.get(name, {}).get(key) == value

    def _skip(self, word: str) -> bool:
        if self.tokens and self.tokens[0] in (("word", word), ("sign", word)):
            self.tokens.pop(0)
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._skip(word):
            raise _bad()

    def _take(self) -> tuple[str, str]:
        if not self.tokens:
            raise _bad()
        return self.tokens.pop(0)

    def _take_string(self) -> str:
        kind, value = self._take()
        if kind != "string":
            raise _bad()
        return value


def _split(text: str) -> list[tuple[str, str]]:
    tokens, position = [], 0
    text = text.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if not found:
            raise _bad()
        kind = str(found.lastgroup)
        value = found[kind]
        tokens.append((kind, re.sub(r"\\(['\\])", r"\1", value[1:-1]) if kind == "string" else value))
        position = found.end()
    return tokens


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _bad() from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _bad() -> ApiError:
    return ApiError("invalid", location="q", violation="bad q, perhaps an unescaped quote")
