"""The files resource: JSON of an item, and checks of metadata that clients send.

https://developers.google.com/workspace/drive/api/reference/rest/v3/files
"""

import mimetypes
import zlib
from datetime import datetime
from typing import Any

from sandbox.google.caller import Caller
from sandbox.google.errors import ApiError
from sandbox.google.items import Account, Item, stamp

# Limits of custom properties: https://developers.google.com/workspace/drive/api/guides/properties
_PROPERTY_BYTES = 124
_PROPERTIES_EACH = 30
_OCTETS = "application/octet-stream"


def show(item: Item, caller: Caller) -> dict[str, Any]:
    """Return the full JSON of an item, as the caller sees it."""
    trashed = caller.account.in_bin(item)
    user = show_user(caller.account)
    shown: dict[str, Any] = {
        "kind": "drive#file",
        "id": item.id,
        "name": item.name,
        "mimeType": item.mime,
        "starred": item.starred,
        "trashed": trashed,
        "explicitlyTrashed": item.trashed,
        "parents": [item.parent],
        "spaces": ["drive"],
        "version": str(item.version),
        "createdTime": item.created,
        "modifiedTime": item.modified,
        "modifiedByMeTime": item.modified,
        "ownedByMe": True,
        "owners": [user],
        "lastModifyingUser": user,
        "shared": False,
        "isAppAuthorized": item.app == caller.client,
        "quotaBytesUsed": str(item.size),
        "webViewLink": f"{caller.web_url}/{'drive/folders' if item.is_folder else 'file/d'}/{item.id}",
        "capabilities": {"canEdit": True, "canDownload": True, "canDelete": True, "canAddChildren": item.is_folder},
    }
    optional = {
        "description": item.description,
        "properties": item.properties,
        "appProperties": item.app_properties.get(caller.client),
    }
    shown |= {name: value for name, value in optional.items() if value}
    return shown | _show_content(item, caller.web_url) if item.content else shown


def show_user(account: Account) -> dict[str, Any]:
    """Return the JSON of a user."""
    return {
        "kind": "drive#user",
        "displayName": account.login,
        "me": True,
        "permissionId": f"{zlib.crc32(account.login.encode()):020d}",
        "emailAddress": f"{account.login}@example.com",
    }


def facts(item: Item, caller: Caller) -> dict[str, Any]:
    """Return the attributes of an item that a search can test."""
    return {
        "name": item.name,
        "mimeType": item.mime,
        "parents": [item.parent],
        "trashed": caller.account.in_bin(item),
        "starred": item.starred,
        "createdTime": item.created,
        "modifiedTime": item.modified,
        "properties": item.properties,
        "appProperties": item.app_properties.get(caller.client, {}),
    }


def check_metadata(content: Any) -> dict[str, Any]:
    """Return the metadata a client sent, if it is valid.

    Raises:
        ApiError: A type, a time, a property or the number of parents is wrong.
    """
    if not isinstance(content, dict):
        raise ApiError("badRequest", "Parse Error")
    for name in ("name", "mimeType", "description", "id"):
        if not isinstance(content.get(name, ""), str):
            raise ApiError("invalid", location=name)
    _check_parents(content.get("parents", []))
    checked = dict(content)
    for name in ("createdTime", "modifiedTime"):
        if name in content:
            checked[name] = _read_time(content[name], name)
    for name in ("properties", "appProperties"):
        _check_properties(content.get(name) or {}, name)
    return checked


def _check_parents(parents: Any) -> None:
    if not isinstance(parents, list) or not all(isinstance(each, str) for each in parents):
        raise ApiError("invalid", location="parents")
    if len(parents) > 1:
        raise ApiError(
            "invalid", "A file cannot have more than one parent.", "parents", violation="more than one parent"
        )


def make_item(meta: dict[str, Any], caller: Caller, id: str, media_type: str, moment: str) -> Item:  # noqa: A002
    """Return the item that checked metadata asks for.

    Args:
        meta: From `check_metadata`.
        caller: Who makes it.
        id: Its id.
        media_type: What the client says of the bytes; empty when there are none.
        moment: Now.
    """
    name = meta.get("name") or "Untitled"
    item = Item(
        id,
        name,
        _mime(meta, media_type, name),
        caller.find_parent(meta.get("parents", [])),
        caller.client,
        meta.get("createdTime", moment),
        meta.get("modifiedTime", moment),
        starred=bool(meta.get("starred")),
        description=meta.get("description", ""),
    )
    write_properties(item, meta, caller)
    return item


def write_properties(item: Item, meta: dict[str, Any], caller: Caller) -> None:
    """Merge the properties a client sent into an item's; null takes one away.

    Raises:
        ApiError: There would be too many.
    """
    own = item.app_properties.setdefault(caller.client, {})
    for name, kept in (("properties", item.properties), ("appProperties", own)):
        merged = {key: value for key, value in {**kept, **(meta.get(name) or {})}.items() if value is not None}
        if len(merged) > _PROPERTIES_EACH:
            raise ApiError("badRequest", f"Too many {name}", violation=f"more than {_PROPERTIES_EACH} {name}")
        kept.clear()
        kept.update(merged)


def _mime(meta: dict[str, Any], media_type: str, name: str) -> str:
    given = meta.get("mimeType") or media_type.partition(";")[0].strip()
    # Octets are detected anew from the name, as the real one was seen to do.
    guessed = mimetypes.guess_type(name)[0]
    return str(guessed or _OCTETS) if given in ("", _OCTETS) else str(given)


def _show_content(item: Item, web_url: str) -> dict[str, Any]:
    content = item.content
    assert content
    extension = item.name.rpartition(".")[2] if "." in item.name else ""
    return {
        "size": str(content.size),
        "md5Checksum": content.md5,
        "sha1Checksum": content.sha1,
        "sha256Checksum": content.sha256,
        "headRevisionId": item.revision,
        "originalFilename": item.name,
        "fileExtension": extension,
        "fullFileExtension": extension,
        "webContentLink": f"{web_url}/uc?id={item.id}&export=download",
    }


def _read_time(text: Any, name: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise ApiError("invalid", location=name) from None
    if "T" not in text or not moment.tzinfo:
        raise ApiError("invalid", location=name)
    return stamp(moment)


def _check_properties(properties: Any, name: str) -> None:
    if not isinstance(properties, dict):
        raise ApiError("invalid", location=name)
    for key, value in properties.items():
        if not isinstance(value, str | None):
            raise ApiError("invalid", location=name)
        if len((key + (value or "")).encode()) > _PROPERTY_BYTES:
            text = f"{name} are limited to {_PROPERTY_BYTES} bytes of key and value"
            raise ApiError("badRequest", text, name, violation=f"{name} of more than {_PROPERTY_BYTES} bytes")
