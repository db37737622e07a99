"""Google's own client, as PyDrive2 and most scripts use it: `MediaIoBaseUpload` of a photo downloaded whole."""

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import google.oauth2.credentials
import google_auth_httplib2
import httplib2
import requests
from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc
from googleapiclient.http import MediaIoBaseUpload

from bench.config import RunConfig, read_config
from bench.measure import reporting_usage
from bench.photos import ALBUM

_FOLDER_TYPE = "application/vnd.google-apps.folder"


class Copier:
    """Copies photos; each thread has a session and a service of its own: httplib2 can't be shared."""

    def __init__(self, config: RunConfig) -> None:
        self._scene = config
        self._mine = threading.local()
        document = json.loads(get_static_doc("drive", "v3"))
        address = {"rootUrl": f"{config.drive_url}/", "baseUrl": f"{config.drive_url}/drive/v3/"}
        self._document = document | address

    def copy_all(self) -> None:
        """Copy every photo."""
        body = {"name": ALBUM, "mimeType": _FOLDER_TYPE}
        folder = self._service().files().create(body=body, fields="id").execute()["id"]
        with ThreadPoolExecutor(self._scene.threads) as pool:
            list(pool.map(lambda index: self._copy(index, folder), range(self._scene.photos.count)))

    def _copy(self, index: int, folder: str) -> None:
        files, name = self._service().files(), self._scene.photos.name(index)
        photo = self._mine.session.get(f"{self._scene.gallery_url}/{ALBUM}/{name}")
        photo.raise_for_status()
        # Whole, in one request: the fewest there can be.
        media = MediaIoBaseUpload(io.BytesIO(photo.content), mimetype="image/jpeg", chunksize=-1, resumable=True)
        files.create(body={"name": name, "parents": [folder]}, media_body=media, fields="id,md5Checksum").execute()

    def _service(self) -> Any:
        if not hasattr(self._mine, "service"):
            self._mine.session = requests.Session()
            self._mine.session.verify = self._scene.bundle
            self._mine.session.trust_env = False
            http = httplib2.Http(ca_certs=self._scene.bundle)
            authorized = google_auth_httplib2.AuthorizedHttp(google.oauth2.credentials.Credentials("token"), http=http)
            self._mine.service = build_from_document(self._document, http=authorized)
        return self._mine.service


if __name__ == "__main__":
    with reporting_usage():
        Copier(read_config()).copy_all()
