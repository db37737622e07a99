"""files.list: search with pagination.

https://developers.google.com/workspace/drive/api/reference/rest/v3/files/list
"""

import secrets
import threading
from dataclasses import dataclass
from typing import Any

from sandbox.faults.plan import Fault
from sandbox.google import fields
from sandbox.google.caller import Caller
from sandbox.google.errors import ApiError
from sandbox.google.query import compile_query
from sandbox.google.resource import facts, show
from sandbox.http.message import Request

_DEFAULT_FIELDS = "kind,incompleteSearch,nextPageToken,files(kind,id,name,mimeType,resourceKey)"
_ORDERS = frozenset(
    {"createdTime", "folder", "modifiedByMeTime", "modifiedTime", "name", "name_natural", "quotaBytesUsed", "recency"}
    | {"sharedWithMeTime", "starred", "viewedByMeTime"}
)


@dataclass(frozen=True)
class _Rest:
    """What a page token stands for: the ids still to come, and the question they answer."""

    ids: tuple[str, ...]
    question: tuple[tuple[str, str], ...]


class Listing:
    """The lists of a Drive and the page tokens handed out. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._rests: dict[str, _Rest] = {}

    def answer(self, request: Request, caller: Caller) -> dict[str, Any]:
        """Return one page, as its `fields` want it.

        Raises:
            ApiError: `q`, `fields`, `pageSize`, `orderBy` or the page token is no good.
        """
        mask = fields.parse(request.query.get("fields", _DEFAULT_FIELDS), fields.FILES)
        size = _read_size(request)
        _check_order(request)
        fault: Fault | None = request.fault
        twist = fault.does if fault else ""
        ids = self._begin_or_go_on(request, caller, twist)
        if fault and twist == "hide":
            ids = _hide_newest(ids, caller, fault.get("count", 1))
        now, later = ((), ids) if twist == "empty_page" else (ids[:size], ids[size:])
        if twist == "repeat" and now:
            later = (now[-1], *later)
        page = {
            "kind": "drive#fileList",
            "incompleteSearch": False,
            "files": [show(caller.account.items[each], caller) for each in now if each in caller.account.items],
        }
        if later or twist == "empty_page":
            page["nextPageToken"] = self._remember(_Rest(later, _question(request)))
        return dict(fields.pick(page, mask))

    def _begin_or_go_on(self, request: Request, caller: Caller, twist: str) -> tuple[str, ...]:
        token = request.query.get("pageToken")
        if token is None and twist != "reject_page_token":
            return _search(request.query.get("q", ""), caller)
        with self._guard:
            rest = self._rests.get(token or "")
        if not rest or rest.question != _question(request) or twist == "reject_page_token":
            raise ApiError("invalid", location="pageToken")
        return rest.ids

    def _remember(self, rest: _Rest) -> str:
        token = "~!!~" + secrets.token_urlsafe(40)
        with self._guard:
            self._rests[token] = rest
        return token


def _search(q: str, caller: Caller) -> tuple[str, ...]:
    fits = compile_query(q, caller.account.root) if q.strip() else lambda _: True
    with caller.account.guard:
        items, is_listed = caller.account.items.values(), caller.account.is_listed
        seen = [each for each in items if caller.sees(each) and is_listed(each)]
        # Newest first: nobody is to rely on the order of arrival.
        found = [each.id for each in sorted(seen, key=lambda each: -each.order) if fits(facts(each, caller))]
    return tuple(found)


def _hide_newest(ids: tuple[str, ...], caller: Caller, count: int) -> tuple[str, ...]:
    items = caller.account.items
    newest = sorted((each for each in ids if each in items), key=lambda each: -items[each].order)[:count]
    return tuple(each for each in ids if each not in newest)


def _question(request: Request) -> tuple[tuple[str, str], ...]:
    free = ("pageToken", "pageSize", "fields", "alt", "prettyPrint")
    return tuple(sorted((name, value) for name, value in request.query.items() if name not in free))


def _read_size(request: Request) -> int:
    given = request.query.get("pageSize", "100")
    if not given.isdigit() or not 1 <= int(given) <= 1000:
        raise ApiError("invalid", location="pageSize", violation=f"pageSize {given}, not 1 to 1000")
    return int(given)


def _check_order(request: Request) -> None:
    for part in filter(None, request.query.get("orderBy", "").split(",")):
        words = part.split()
        if not words or words[0] not in _ORDERS or words[1:] not in ([], ["desc"]):
            raise ApiError("invalid", location="orderBy")
