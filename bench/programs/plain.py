"""Simple script: `requests` and threads, each photo downloaded whole and uploaded whole."""

import threading
from concurrent.futures import ThreadPoolExecutor

import requests

from bench.config import RunConfig, read_config
from bench.measure import reporting_usage
from bench.photos import ALBUM

_FOLDER_TYPE = "application/vnd.google-apps.folder"


class Copier:
    """Copies photos; each thread has a session of its own."""

    def __init__(self, config: RunConfig) -> None:
        self._scene = config
        self._mine = threading.local()
        self._folder = ""

    def copy_all(self) -> None:
        """Copy every photo."""
        photos = self._scene.photos
        made = self._session().post(
            f"{self._scene.drive_url}/drive/v3/files", json={"name": ALBUM, "mimeType": _FOLDER_TYPE}
        )
        self._folder = made.json()["id"]
        with ThreadPoolExecutor(self._scene.threads) as pool:
            list(pool.map(self._copy, range(photos.count)))

    def _copy(self, index: int) -> None:
        session, name = self._session(), self._scene.photos.name(index)
        photo = session.get(f"{self._scene.gallery_url}/{ALBUM}/{name}", headers={"Authorization": ""})
        photo.raise_for_status()
        opened = session.post(
            f"{self._scene.drive_url}/upload/drive/v3/files?uploadType=resumable",
            json={"name": name, "parents": [self._folder]},
        )
        opened.raise_for_status()
        session.put(opened.headers["Location"], data=photo.content).raise_for_status()

    def _session(self) -> requests.Session:
        if not hasattr(self._mine, "session"):
            self._mine.session = requests.Session()
            self._mine.session.verify = self._scene.bundle
            self._mine.session.trust_env = False
            self._mine.session.headers["Authorization"] = "Bearer token"
        session: requests.Session = self._mine.session
        return session


if __name__ == "__main__":
    with reporting_usage():
        Copier(read_config()).copy_all()
