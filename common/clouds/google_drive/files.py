"""Single files and folders of a guest's Drive: looked at, changed, removed. Thread-safe.

https://developers.google.com/workspace/drive/api/reference/rest/v3/files
"""

from typing import Any

from common.clouds.google_drive.api import DriveApi, file_path, is_not_found, read_object
from common.clouds.google_drive.failures import read_failure, read_reason
from common.clouds.google_drive.replies import is_made_here
from common.errors import Reason, Transient

FIELDS = "id,name,parents,size,md5Checksum,appProperties,trashed,webViewLink"


class DriveFiles:
    """Single files by their ids.

    Args:
        api: asked for them, with the guest's grant.
    """

    def __init__(self, api: DriveApi) -> None:
        self._api = api

    def find(self, file_id: str) -> dict[str, Any] | None:
        """Return a file, also one in the bin; asked by its id, which never lags behind as listings do."""
        answer = self._api.call("GET", file_path(file_id), {"fields": FIELDS})
        if is_not_found(answer):
            return None
        if answer.status != 200:
            raise read_failure(answer)
        file = read_object(answer)
        if file.get("id") != file_id:
            raise Transient(Reason.CLOUD_UNAVAILABLE, "an answer that is not Drive's")
        return file

    def change(self, file_id: str, query: dict[str, str], metadata: dict[str, Any]) -> None:
        """Write metadata; what somebody else moved or threw away meanwhile is where it should be."""
        answer = self._api.call("PATCH", file_path(file_id), {"fields": "id", **query}, content=metadata)
        # A file never has two parents.
        if answer.status != 200 and not is_not_found(answer) and read_reason(answer) != "cannotAddParent":
            raise read_failure(answer)

    def remove(self, file_id: str, *, size: int | None = None) -> None:
        """Delete a file for good, if it still stands as this service made it; the bin is for what guests throw away.

        Args:
            file_id: what Drive calls it.
            size: in bytes, as it is believed to be; another one means that it is not what it was.
        """
        file = self.find(file_id)
        if file is None or file.get("trashed") or not is_made_here(file):
            return
        if size is not None and file.get("size") != str(size):
            return
        answer = self._api.call("DELETE", file_path(file_id), {})
        if answer.status not in (200, 204) and not is_not_found(answer):
            raise read_failure(answer)
