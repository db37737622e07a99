"""Partial responses: parser of the `fields` parameter, and the field names that exist.

https://developers.google.com/workspace/drive/api/guides/fields-parameter
"""

import re
from typing import Any

from sandbox.google.errors import ApiError

Mask = dict[str, Any]  # a name, and the mask of what is below; an empty one takes everything

_ANY: Mask = {"*": {}}
_FILE_NAMES = """
    kind id name mimeType description starred trashed explicitlyTrashed trashedTime parents spaces version
    webContentLink webViewLink iconLink hasThumbnail thumbnailLink thumbnailVersion viewedByMe viewedByMeTime
    createdTime modifiedTime modifiedByMeTime modifiedByMe sharedWithMeTime ownedByMe shared viewersCanCopyContent
    copyRequiresWriterPermission writersCanShare permissionIds hasAugmentedPermissions folderColorRgb
    originalFilename fullFileExtension fileExtension md5Checksum sha1Checksum sha256Checksum size quotaBytesUsed
    headRevisionId isAppAuthorized driveId teamDriveId resourceKey inheritedPermissionsDisabled
"""
_FILE_OBJECTS = """
    properties appProperties capabilities sharingUser owners lastModifyingUser trashingUser permissions contentHints
    imageMediaMetadata videoMediaMetadata shortcutDetails contentRestrictions labelInfo linkShareMetadata exportLinks
    downloadRestrictions clientEncryptionDetails
"""
FILE: Mask = {**{name: {} for name in _FILE_NAMES.split()}, **dict.fromkeys(_FILE_OBJECTS.split(), _ANY)}
FILES: Mask = {"kind": {}, "nextPageToken": {}, "incompleteSearch": {}, "files": FILE}
IDS: Mask = {"kind": {}, "space": {}, "ids": {}}
ABOUT: Mask = {
    **{name: {} for name in ("kind", "maxUploadSize", "appInstalled", "canCreateDrives", "canCreateTeamDrives")},
    **dict.fromkeys(("user", "storageQuota", "importFormats", "exportFormats", "maxImportSizes"), _ANY),
    **dict.fromkeys(("folderColorPalette", "driveThemes", "teamDriveThemes"), _ANY),
}
_WORD = re.compile(r"[A-Za-z0-9_*-]+")


def parse(text: str, known: Mask) -> Mask:
    """Read a mask: `a,b(c,d),e/f,*`.

    Args:
        text: As given in the query.
        known: The names there are.

    Raises:
        ApiError: It is malformed, or names something unknown.
    """
    mask, rest = _parse_list(text.replace(" ", ""), text)
    if rest:
        raise _bad(text)
    _check(mask, known)
    return mask


def pick(value: Any, mask: Mask) -> Any:
    """Return the parts of a JSON value that a mask takes."""
    if isinstance(value, list):
        return [pick(each, mask) for each in value]
    if not isinstance(value, dict) or not mask:
        return value
    everything = mask.get("*")
    picked = {}
    for name, part in value.items():
        below = mask.get(name, everything)
        if below is not None:
            picked[name] = pick(part, below)
    return picked


def _parse_list(text: str, whole: str) -> tuple[Mask, str]:
    mask: Mask = {}
    while True:
        name, below, text = _parse_one(text, whole)
        mask[name] = {**mask[name], **below} if mask.get(name) and below else below
        if not text.startswith(","):
            return mask, text
        text = text[1:]


def _parse_one(text: str, whole: str) -> tuple[str, Mask, str]:
    word = _WORD.match(text)
    if not word:
        raise _bad(whole)
    text = text[word.end() :]
    if text.startswith("/"):
        name, below, text = _parse_one(text[1:], whole)
        return word[0], {name: below}, text
    if not text.startswith("("):
        return word[0], {}, text
    below, text = _parse_list(text[1:], whole)
    if not text.startswith(")"):
        raise _bad(whole)
    return word[0], below, text[1:]


def _check(mask: Mask, known: Mask) -> None:
    if "*" in known:
        return
    for name, below in mask.items():
        if name == "*":
            continue
        if name not in known or (below and not known[name]):
            raise _bad(name)
        if below:
            _check(below, known[name])


def _bad(what: str) -> ApiError:
    return ApiError("invalidParameter", f"Invalid field selection {what}", "fields")
