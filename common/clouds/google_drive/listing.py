"""Read Drive's listings to their end: page by page, each file once.

https://developers.google.com/workspace/drive/api/reference/rest/v3/files/list
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from common.clouds.google_drive.api import DriveApi, read_object
from common.clouds.google_drive.failures import read_failure
from common.clouds.google_drive.replies import ListedFile, read_files, read_page_token
from common.clouds.photos import NO_PHOTOS, PhotosByKey, StoredPhoto
from common.errors import Reason, Transient

FIELDS = "nextPageToken,files(id,name,mimeType,size,webViewLink,appProperties,createdTime,parents)"
LARGEST_PAGE = 1000  # the API's own limit
# A page token that is refused means "start again"; more than this often means something else.
TRIES = 3


class _PageTokenRefused(Exception):
    """The listing must start over from its first page."""


def list_files(
    api: DriveApi, query: str, known: PhotosByKey = NO_PHOTOS, runs: dict[str, str] | None = None
) -> Collection[ListedFile | StoredPhoto]:
    """Return what there is, in no order.

    Args:
        api: asked for it, with the guest's grant.
        query: what to look for: https://developers.google.com/workspace/drive/api/guides/search-files
        known: photos that need not be held twice.
        runs: where the run of each photo that is not known is noted, by the photo's id.

    Raises:
        ArchiveError: what the refusal means.
        Transient: the answers are not Drive's, or it refuses its own page tokens.
    """
    runs = {} if runs is None else runs
    for _ in range(TRIES):
        try:
            # Pages may repeat an entry; an id is what tells files apart.
            return {file.id: file for file in _read_pages(api, query, known, runs)}.values()
        except _PageTokenRefused:
            continue
    raise Transient(Reason.CLOUD_UNAVAILABLE, "Drive refuses its own page tokens")


def _read_pages(
    api: DriveApi, query: str, known: PhotosByKey, runs: dict[str, str]
) -> Iterator[ListedFile | StoredPhoto]:
    parameters = {"q": query, "fields": FIELDS, "pageSize": str(LARGEST_PAGE), "spaces": "drive"}
    while True:
        page = _read_page(api, parameters)
        yield from read_files(page, known, runs)
        # A page may be short or empty and not be the last: only a missing token ends the list.
        token = read_page_token(page)
        if not token:
            return
        parameters["pageToken"] = token


def _read_page(api: DriveApi, parameters: Mapping[str, str]) -> dict[str, Any]:
    answer = api.call("GET", "/drive/v3/files", parameters)
    if answer.status == 400 and "pageToken" in parameters:
        raise _PageTokenRefused
    if answer.status != 200:
        raise read_failure(answer)
    return read_object(answer)
