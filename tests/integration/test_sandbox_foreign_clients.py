"""The pretend Drive against clients nobody here wrote: rclone, and Google's own Python client.

Rclone can't be given another address, so it is sent through a tunnel that leads Google's names to a sandbox on https,
whose authority it trusts. Google's own client reads its addresses from a document it brings along; ours replace them.
"""

import io
import json
import os
import random
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import google.oauth2.credentials
import google_auth_httplib2
import pytest
from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaInMemoryUpload, MediaIoBaseDownload, MediaIoBaseUpload, build_http

from sandbox import Fault, World
from tests.integration.tunnel import Tunnel

_API, _TOKENS = "www.googleapis.com", "oauth2.googleapis.com"
_DRIVE_FILE = "https://www.googleapis.com/auth/drive.file"
_FOLDER = "application/vnd.google-apps.folder"
_RCLONE = Path(sysconfig.get_path("scripts")) / "rclone"
_UNIT = 256 * 1024


@pytest.fixture
def https_world() -> Iterator[World]:
    """A world on https that answers for Google's names."""
    with World(tls=[_API, _TOKENS]) as pretend:
        yield pretend


@pytest.fixture
def tunnel(https_world: World) -> Iterator[Tunnel]:
    """The way to that world."""
    ports = {_API: https_world.drive.url, _TOKENS: https_world.accounts.url}
    with Tunnel({host: urlsplit(url).port or 0 for host, url in ports.items()}) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield proxy
        proxy.shutdown()
        thread.join()


class Rclone:
    """The rclone program, set up for a world."""

    def __init__(self, https_world: World, tunnel: Tunnel, folder: Path):
        client, secret = next(iter(https_world.accounts.clients.items()))
        token, lasting = https_world.accounts.tokens.grant(client, "guest", (_DRIVE_FILE,))
        stale = {"access_token": token.text, "refresh_token": lasting, "expiry": "2020-01-01T00:00:00Z"}
        options = {"type": "drive", "scope": "drive.file", "client_id": client, "client_secret": secret}
        lines = [f"{name} = {value}" for name, value in {**options, "token": json.dumps(stale)}.items()]
        self._config = folder / "rclone.conf"
        self._config.write_text("\n".join(["[guest]", *lines]) + "\n")
        self._flags = [
            *("--config", str(self._config), "--ca-cert", str(https_world.bundle)),
            *("--http-proxy", f"http://127.0.0.1:{tunnel.port}"),
            # As quick as it goes: the sandbox has no quota unless told.
            *("--drive-pacer-min-sleep", "1ms", "--retries", "1", "--low-level-retries", "3", "--timeout", "10s"),
            # Everything above 256 KiB in a session of several requests.
            *("--drive-upload-cutoff", "256Ki", "--drive-chunk-size", "256Ki"),
        ]

    def run(self, *command: str) -> str:
        """Run a command and return what it prints, or fail with what it complains about."""
        done = subprocess.run(
            [_RCLONE, *command, *self._flags], capture_output=True, text=True, timeout=60, env={"HOME": os.devnull}
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def rclone(https_world: World, tunnel: Tunnel, tmp_path: Path) -> Rclone:
    """Rclone with a grant whose access token is stale, so that it has to refresh."""
    return Rclone(https_world, tunnel, tmp_path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree: every size around a unit, an empty file, and names that need escaping."""
    chance = random.Random(1)
    names = {
        "empty.jpg": 0,
        "small.jpg": 1000,
        "Album 'one'/exact.jpg": _UNIT,
        "Album 'one'/Фото 1.jpg": _UNIT + 1,
        "Album 'one'/back\\slash/deep.jpg": 3 * _UNIT,
        "Album 2/big.jpg": 1_234_567,
    }
    for name, size in names.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(size))
    return tmp_path / "tree"


def test_rclone_uploads_checks_lists_and_downloads_a_tree(
    https_world: World, rclone: Rclone, tree: Path, tmp_path: Path
) -> None:
    """Rclone finds in the pretend Drive, by its own checks, exactly what it put there."""
    rclone.run("copy", str(tree), "guest:Gallery")
    rclone.run("check", str(tree), "guest:Gallery")
    listed = json.loads(rclone.run("lsjson", "guest:Gallery", "--recursive", "--files-only", "--hash"))
    rclone.run("copy", "guest:Gallery", str(tmp_path / "back"))
    rclone.run("check", str(tree), str(tmp_path / "back"), "--download")

    stored = {(path, size, md5) for path, size, md5 in https_world.drive.account().tree()}
    assert {(f"Gallery/{each['Path']}", each["Size"], each["Hashes"]["md5"]) for each in listed} == stored
    assert len(stored) == 6
    assert https_world.accounts.refreshes == 1
    assert https_world.violations == []


def test_rclone_copies_nothing_twice(https_world: World, rclone: Rclone, tree: Path) -> None:
    """A second copy sees sizes and times as rclone wrote them, so it has nothing to do; a changed file is replaced."""
    rclone.run("copy", str(tree), "guest:Gallery")
    before = {each.id: each.version for each in https_world.drive.account().files()}
    rclone.run("copy", str(tree), "guest:Gallery")
    assert {each.id: each.version for each in https_world.drive.account().files()} == before

    (tree / "small.jpg").write_bytes(b"another")
    rclone.run("copy", str(tree), "guest:Gallery")
    rclone.run("check", str(tree), "guest:Gallery")
    assert {each.id for each in https_world.drive.account().files()} == set(before)


def test_rclone_gets_over_throttling(https_world: World, rclone: Rclone, tree: Path) -> None:
    """Rclone understands the errors the sandbox writes, and tries again."""
    https_world.faults.add(
        Fault(on="initiate", does="throttle"),
        Fault(on="upload", does="status", status=503, reason="backendError"),
        Fault(on="files_list", does="status", status=500),
    )
    rclone.run("copy", str(tree), "guest:Gallery")
    rclone.run("check", str(tree), "guest:Gallery")
    assert len(https_world.faults.fired) == 3


@pytest.fixture
def google_drive(world: World) -> Iterator[Any]:
    """Google's own client, with a refresh token and no access token yet."""
    client, secret = next(iter(world.accounts.clients.items()))
    _, lasting = world.accounts.tokens.grant(client, "guest", (_DRIVE_FILE,))
    credentials = google.oauth2.credentials.Credentials(
        None,
        refresh_token=lasting,
        token_uri=world.environment()["GOOGLE_TOKEN_URI"],
        client_id=client,
        client_secret=secret,
        scopes=[_DRIVE_FILE],
    )
    document = json.loads(get_static_doc("drive", "v3"))
    document |= {"rootUrl": f"{world.drive.url}/", "baseUrl": f"{world.drive.url}/drive/v3/"}
    # On https httplib2 would answer a reset by sending the request again with its body read already, and hang.
    authorized = google_auth_httplib2.AuthorizedHttp(credentials, http=build_http())
    with build_from_document(document, http=authorized) as service:
        yield service


def test_google_client_uploads_in_chunks(world: World, google_drive: Any) -> None:
    """The chunks of Google's own client add up, and its list, download and delete understand us."""
    data = random.Random(2).randbytes(3 * _UNIT + 17)
    files = google_drive.files()
    folder = files.create(body={"name": "It's", "mimeType": _FOLDER}, fields="id").execute()
    media = MediaIoBaseUpload(io.BytesIO(data), mimetype="image/jpeg", chunksize=_UNIT, resumable=True)
    body = {"name": "фото's.jpg", "parents": [folder["id"]], "appProperties": {"photo": "1"}}
    request, stored, progress = files.create(body=body, media_body=media, fields="id,size,md5Checksum"), None, []
    while stored is None:
        status, stored = request.next_chunk()
        progress.append(status.resumable_progress if status else len(data))
    assert progress == [_UNIT, 2 * _UNIT, 3 * _UNIT, len(data)]
    assert stored["size"] == str(len(data))

    q = f"'{folder['id']}' in parents and name = 'фото\\'s.jpg' and appProperties has {{ key='photo' and value='1' }}"
    found = files.list(q=q, fields="files(id,name,md5Checksum),nextPageToken").execute()["files"]
    assert found == [{"id": stored["id"], "name": "фото's.jpg", "md5Checksum": stored["md5Checksum"]}]

    back = io.BytesIO()
    download = MediaIoBaseDownload(back, files.get_media(fileId=stored["id"]), chunksize=_UNIT)
    while not download.next_chunk()[1]:
        pass
    assert back.getvalue() == data

    assert files.delete(fileId=stored["id"]).execute() == ""
    with pytest.raises(HttpError, match="File not found"):
        files.get(fileId=stored["id"]).execute()
    assert world.drive.account().tree() == []
    assert world.violations == []


def test_google_client_resumes_after_a_dropped_reply(world: World, google_drive: Any) -> None:
    """Google's own client, asked to go on after a reset, asks where it stands and believes the answer."""
    data = random.Random(3).randbytes(2 * _UNIT + 5)
    media = MediaIoBaseUpload(io.BytesIO(data), mimetype="image/jpeg", chunksize=_UNIT, resumable=True)
    request, stored = google_drive.files().create(body={"name": "a.jpg"}, media_body=media, fields="size"), None
    world.faults.add(Fault(on="upload", does="drop_after", after=1))
    while stored is None:
        try:
            _, stored = request.next_chunk()
        except OSError:
            continue
    assert stored == {"size": str(len(data))}
    assert len(world.drive.account().files()) == 1
    assert len(world.faults.fired) == 1


def test_google_client_knows_ids_multipart_pages_and_about(world: World, google_drive: Any) -> None:
    """Ids made beforehand are used once, small files go in one request, lists come in pages."""
    files = google_drive.files()
    ids = files.generateIds(count=3).execute()["ids"]
    for number, wanted in enumerate(ids):
        media = MediaInMemoryUpload(b"small %d" % number, mimetype="image/jpeg")
        files.create(body={"id": wanted, "name": f"{number}.jpg"}, media_body=media).execute()
    with pytest.raises(HttpError) as again:
        files.create(
            body={"id": ids[0], "name": "again.jpg"}, media_body=MediaInMemoryUpload(b"", mimetype="image/jpeg")
        ).execute()
    assert again.value.status_code == 409

    seen, request = [], files.list(pageSize=2, q="trashed = false", fields="nextPageToken,files(id)")
    while request:
        page = request.execute()
        seen.append([each["id"] for each in page["files"]])
        request = files.list_next(request, page)
    assert [len(page) for page in seen] == [2, 1]
    assert sorted(ids) == sorted(each for page in seen for each in page)

    files.update(fileId=ids[0], body={"name": "new.jpg", "trashed": True}).execute()
    about = google_drive.about().get(fields="user,storageQuota").execute()
    assert about["user"]["emailAddress"] == "guest@example.com"
    assert [path for path, _, _ in world.drive.account().tree()] == ["1.jpg", "2.jpg"]
    assert world.violations == []
