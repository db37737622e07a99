"""The resource object: JSON of a file or a folder.

https://yandex.ru/dev/disk-api/doc/en/reference/response-objects
"""

from collections.abc import Iterable
from typing import Any

from sandbox.yandex.errors import ApiError
from sandbox.yandex.items import Account, Item, kind_of, mime_of
from sandbox.yandex.paths import Path, write_path

_OLD = "2012-04-04T20:00:00+00:00"
_SORTED_BY = ("name", "path", "created", "modified", "size", "deleted")


def show(item: Item | None, path: Path) -> dict[str, Any]:
    """Return a resource without what is inside.

    Args:
        item: The file or folder; None for the top folder.
        path: Where it is.
    """
    if item is None:
        return {"path": "disk:/", "type": "dir", "name": "disk", "created": _OLD, "modified": _OLD, "revision": 1}
    shown: dict[str, Any] = {
        "name": item.name,
        "path": write_path(path),
        "type": "dir" if item.is_folder else "file",
        "created": item.created,
        "modified": item.modified,
        "resource_id": item.id,
        "revision": 1_700_000_000_000_000 + item.order * 1000 + item.version,
        "comment_ids": {"private_resource": item.id, "public_resource": item.id},
        "exif": {},
    }
    if item.properties:
        shown["custom_properties"] = dict(item.properties)
    if item.content:
        shown |= {
            "size": item.content.size,
            "md5": item.content.md5,
            "sha256": item.content.sha256,
            "mime_type": mime_of(item.name),
            "media_type": kind_of(item.name),
            "antivirus_status": "not-scanned",
        }
    return shown


def show_inside(
    account: Account, folder: str, path: Path, query: dict[str, str], max_items: int | None
) -> dict[str, Any]:
    """Return one page of what is inside a folder.

    Args:
        account: Whose.
        folder: The folder's id.
        path: Where it is.
        query: May hold limit, offset and sort.
        max_items: Maximum page size, whatever `limit` says; None: no maximum.

    Raises:
        ApiError: A parameter is no good.
    """
    limit, offset = read_count(query, "limit", 20), read_count(query, "offset", 0)
    limit = min(limit, max_items) if max_items is not None else limit
    inside = [each for each in account.below(folder) if not each.trashed and not each.is_late()]
    shown = [show(each, (*path, each.name)) for each in _sort(inside, query.get("sort", "name"))]
    return {
        "sort": query.get("sort", ""),
        "items": shown[offset : offset + limit],
        "limit": limit,
        "offset": offset,
        "path": write_path(path),
        "total": len(shown),
    }


def read_count(query: dict[str, str], name: str, usual: int) -> int:
    """Return a number of the query.

    Raises:
        ApiError: It is none.
    """
    given = query.get(name, str(usual))
    if not given.isdecimal():
        raise ApiError("FieldValidationError", name, violation=f"{name}={given}")
    return int(given)


def pick(value: Any, fields: str | None) -> Any:
    """Return the parts of a JSON value that `fields` names: `a,b.c`; unknown ones are passed over."""
    if not fields:
        return value
    return _pick(value, [each.strip().split(".") for each in fields.split(",")])


def _pick(value: Any, wanted: list[list[str]]) -> Any:
    if any(not each for each in wanted):
        return value
    if isinstance(value, list):
        return [_pick(each, wanted) for each in value]
    if not isinstance(value, dict):
        return value
    picked = {}
    for name, part in value.items():
        below = [each[1:] for each in wanted if each[0] == name]
        if below:
            picked[name] = _pick(part, below)
    return picked


def _sort(items: Iterable[Item], by: str) -> list[Item]:
    name = by.removeprefix("-")
    if name not in _SORTED_BY:
        raise ApiError("FieldValidationError", "sort", violation=f"sort={by}")
    attribute = {"path": "name", "deleted": "modified"}.get(name, name)
    return sorted(items, key=lambda each: (getattr(each, attribute), each.name), reverse=by.startswith("-"))
