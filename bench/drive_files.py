"""Files and folders of the Drive stand-in, indexed by id and by folder and name."""

import itertools
import re
import threading
from typing import Any

from bench.photos import Photos

FOLDER_TYPE = "application/vnd.google-apps.folder"
ROOT = "root-folder"
_IN_PARENTS = re.compile(r"'([^']+)' in parents")
_NAME = re.compile(r"name\s*=\s*'([^']*)'")
_ONLY_FOLDERS = re.compile(r"mimeType\s*=")


class Files:
    """Files and folders. Thread-safe.

    Args:
        photos: which files are expected; it knows their MD5.
    """

    def __init__(self, photos: Photos) -> None:
        self._photos = photos
        self._files: dict[str, dict[str, Any]] = {}
        self._folders: dict[str, dict[str, dict[str, Any]]] = {ROOT: {}}
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    @property
    def photos_stored(self) -> int:
        """Number of photos stored."""
        return sum("md5Checksum" in file for file in self._files.values())

    def add(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """Add a file or a folder and return it as Drive describes it."""
        parent = (metadata.get("parents") or [ROOT])[0]
        file = {
            "id": f"file{next(self._numbers)}",
            "mimeType": "image/jpeg",
            "webViewLink": "https://drive.google.com/",
            "createdTime": "2026-01-01T00:00:00.000Z",
            "modifiedTime": "2026-01-01T00:00:00.000Z",
            "trashed": False,
            **metadata,
            "parents": [parent],
        }
        index = self._photos.index(file["name"])
        if index is not None:
            file["md5Checksum"] = self._photos.md5(index)
        with self._lock:
            self._files[file["id"]] = file
            self._folders.setdefault(parent, {})[file["name"]] = file
            if file["mimeType"] == FOLDER_TYPE:
                self._folders.setdefault(file["id"], {})
        return file

    def get(self, file_id: str) -> dict[str, Any] | None:
        """Return a file or folder by its id."""
        if file_id in ("root", ROOT):
            return {"id": ROOT, "name": "My Drive", "mimeType": FOLDER_TYPE}
        return self._files.get(file_id)

    def remove(self, file_id: str) -> None:
        """Remove a file for good."""
        with self._lock:
            file = self._files.pop(file_id, None)
            if file:
                self._folders[file["parents"][0]].pop(file["name"], None)

    def page(self, query: dict[str, str]) -> dict[str, Any]:
        """Return a page of what a query finds: in folders, by name, or all there is."""
        wanted = query.get("q", "")
        with self._lock:
            found = self._find(wanted)
        if _ONLY_FOLDERS.search(wanted):
            found = [file for file in found if file["mimeType"] == FOLDER_TYPE]
        start, size = int(query.get("pageToken", 0)), int(query.get("pageSize", 100))
        page: dict[str, Any] = {"files": found[start : start + size]}
        if start + size < len(found):
            page["nextPageToken"] = str(start + size)
        return page

    def _find(self, wanted: str) -> list[dict[str, Any]]:
        parents = _IN_PARENTS.findall(wanted)
        if not parents:
            return list(self._files.values())
        folders = [self._folders.get(ROOT if parent == "root" else parent, {}) for parent in parents]
        names = _NAME.findall(wanted)
        if names:
            return [folder[name] for folder in folders for name in names if name in folder]
        return [file for folder in folders for file in folder.values()]
