"""The pretend Yandex against clients nobody here wrote: rclone, and the `yadisk` package.

Rclone can't be given another address, so it is sent through a tunnel that leads Yandex's names to a sandbox on https,
whose authority it trusts. The package takes the addresses from its settings.
"""

import base64
import hashlib
import io
import json
import os
import random
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import yadisk

from sandbox import Fault, World
from sandbox.yandex.accounts import RIGHTS
from tests.integration.tunnel import Tunnel

_API, _TOKENS = "cloud-api.yandex.com", "oauth.yandex.com"
_RCLONE = Path(sysconfig.get_path("scripts")) / "rclone"


@pytest.fixture
def https_world() -> Iterator[World]:
    """A world on https that answers for Yandex's names."""
    with World(tls=[_API, _TOKENS]) as pretend:
        # Rclone and the package send files of unknown length, and the real Disk takes them.
        pretend.yandex.takes_chunked = True
        yield pretend


@pytest.fixture
def tunnel(https_world: World) -> Iterator[Tunnel]:
    """The way to that world, its links' included."""
    urls = {_API: https_world.yandex.url, _TOKENS: https_world.yandex_accounts.url}
    urls["localhost"] = https_world.yandex_uploader.url
    with Tunnel({host: urlsplit(url).port or 0 for host, url in urls.items()}) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield proxy
        proxy.shutdown()
        thread.join()


class Rclone:
    """The rclone program, set up for a world.

    Args:
        https_world: The world.
        tunnel: The way there.
        folder: Where its configuration is.
        expiry: When it is to believe that its access token ends.
    """

    def __init__(self, https_world: World, tunnel: Tunnel, folder: Path, expiry: str):
        client, secret = next(iter(https_world.yandex_accounts.clients.items()))
        token, lasting = https_world.yandex_accounts.tokens.grant(client, "guest", RIGHTS)
        stored = {"access_token": token.text, "token_type": "OAuth", "refresh_token": lasting, "expiry": expiry}
        options = {"type": "yandex", "client_id": client, "client_secret": secret, "token": json.dumps(stored)}
        self.config = folder / "rclone.conf"
        self.config.write_text("\n".join(["[guest]", *(f"{name} = {value}" for name, value in options.items())]) + "\n")
        self._flags = [
            *("--config", str(self.config), "--ca-cert", str(https_world.bundle)),
            *("--http-proxy", f"http://127.0.0.1:{tunnel.port}"),
            # Honest about who it is, as our own client.
            "--yandex-spoof-ua=false",
            *("--retries", "1", "--low-level-retries", "3", "--timeout", "10s"),
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
    """Rclone with a grant whose access token is good for long."""
    return Rclone(https_world, tunnel, tmp_path, "2100-01-01T00:00:00Z")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree: an empty file, a big one, names with colons and in Cyrillic."""
    chance = random.Random(1)
    names = {
        "empty.jpg": 0,
        "small.jpg": 1000,
        "Album: one/Фото 1: у озера.jpg": 262_145,
        "Album: one/deep & wide/+ 100%.jpg": 70_000,
        "Album 2/big.jpg": 1_234_567,
        "clip.mp4": 5000,
    }
    for name, size in names.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(size))
    return tmp_path / "tree"


def test_rclone_uploads_checks_lists_and_downloads_a_tree(
    https_world: World, rclone: Rclone, tree: Path, tmp_path: Path
) -> None:
    """Rclone finds in the pretend Disk, by its own checks, exactly what it put there; a second copy does nothing."""
    rclone.run("copy", str(tree), "guest:Gallery")
    rclone.run("check", str(tree), "guest:Gallery")
    listed = json.loads(rclone.run("lsjson", "guest:Gallery", "--recursive", "--files-only", "--hash"))
    rclone.run("copy", "guest:Gallery", str(tmp_path / "back"))
    rclone.run("check", str(tree), str(tmp_path / "back"), "--download")

    disk = https_world.yandex.account()
    stored = {(path, size, md5) for path, size, md5 in disk.tree()}
    assert {(f"Gallery/{each['Path']}", each["Size"], each["Hashes"]["md5"]) for each in listed} == stored
    assert len(stored) == 6
    assert https_world.violations == []

    before = {each.id: each.version for each in disk.files()}
    rclone.run("copy", str(tree), "guest:Gallery")
    assert {each.id: each.version for each in disk.files()} == before
    (tree / "small.jpg").write_bytes(b"another")
    rclone.run("copy", str(tree), "guest:Gallery")
    rclone.run("check", str(tree), "guest:Gallery")
    assert {each.id for each in disk.files()} == set(before)


def test_rclone_moves_removes_and_asks_for_room(https_world: World, rclone: Rclone, tree: Path) -> None:
    """What takes its time is waited for; space is told in numbers; what is removed is in the bin."""
    rclone.run("copy", str(tree), "guest:Gallery")
    disk = https_world.yandex.account()
    disk.limit = 10_000_000
    told = json.loads(rclone.run("about", "guest:", "--json"))
    used = sum(file.size for file in disk.files())
    assert {name: told[name] for name in ("total", "used", "free")} == {
        "total": 10_000_000,
        "used": used,
        "free": 10_000_000 - used,
    }

    https_world.yandex.defers |= {"move", "delete"}
    https_world.yandex.operations.polls = 1
    rclone.run("moveto", "guest:Gallery/small.jpg", "guest:Gallery/Album 2/moved.jpg")
    rclone.run("purge", "guest:Gallery/Album: one")
    assert {path for path, _, _ in disk.tree()} == {
        "Gallery/empty.jpg",
        "Gallery/clip.mp4",
        "Gallery/Album 2/big.jpg",
        "Gallery/Album 2/moved.jpg",
    }
    assert disk.used() == used
    assert https_world.violations == []


def test_rclone_gets_over_what_the_api_refuses_for_a_while(https_world: World, rclone: Rclone, tree: Path) -> None:
    """Rclone understands the errors the sandbox writes, and tries again."""
    https_world.faults.add(
        Fault(on="yandex_link", does="throttle"),
        Fault(on="yandex_mkdir", does="status", status=503),
        Fault(on="yandex_patch", does="status", status=500),
        Fault(on="yandex_resource", does="status", status=502, html=True),
    )
    rclone.run("copy", str(tree), "guest:Gallery")
    rclone.run("check", str(tree), "guest:Gallery")
    assert len(https_world.faults.fired) == 4


def test_rclone_refreshes_and_keeps_the_new_refresh_token(https_world: World, tunnel: Tunnel, tmp_path: Path) -> None:
    """Two refreshes in a row: the second with what the first one brought. Afterwards rclone says Bearer."""
    https_world.yandex.accepts_bearer = True
    rclone = Rclone(https_world, tunnel, tmp_path, "2020-01-01T00:00:00Z")
    first = rclone.config.read_text()
    rclone.run("mkdir", "guest:One")
    second = rclone.config.read_text()
    rclone.config.write_text(second.replace('"expiry":"20', '"expiry":"19'))
    rclone.run("mkdir", "guest:Two")
    assert [each.name for each in https_world.yandex.account().folders()] == ["One", "Two"]
    assert https_world.yandex_accounts.refreshes == 2
    assert first != second
    assert https_world.violations == []


@pytest.fixture
def client(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[yadisk.Client]:
    """The package with the rights a guest gave it, on http."""
    world.yandex.takes_chunked = True
    monkeypatch.setattr(yadisk.settings, "BASE_API_URL", world.yandex.url)
    for request in (yadisk._api.GetTokenRequest, yadisk._api.RefreshTokenRequest, yadisk._api.RevokeTokenRequest):
        monkeypatch.setattr(request, "base_url", world.yandex_accounts.url)
    key, secret = next(iter(world.yandex_accounts.clients.items()))
    token, _ = world.yandex_accounts.tokens.grant(key, "guest", RIGHTS)
    with yadisk.Client(key, secret, token.text, session="requests") as ours:
        ours.default_args = {"n_retries": 0, "poll_interval": 0.01}
        yield ours


def upload(client: yadisk.Client, data: bytes, path: str, **options: object) -> None:
    """Upload without pretending to be another program."""
    client.upload(io.BytesIO(data), path, spoof_user_agent=False, **options)


def test_package_does_everything_a_disk_is_for(world: World, client: yadisk.Client) -> None:
    """Folders, files, lists in pages, properties, a move, a removal, all read back by the package."""
    data = random.Random(2).randbytes(300_000)
    client.mkdir("disk:/Альбом: 1")
    client.makedirs("disk:/Альбом: 1/a/b")
    upload(client, data, "disk:/Альбом: 1/a/b/фото: 1.jpg")
    meta = client.get_meta("disk:/Альбом: 1/a/b/фото: 1.jpg")
    assert (meta.type, meta.size, meta.media_type) == ("file", len(data), "image")
    assert (meta.md5, meta.path) == (world.yandex.account().files()[0].md5, "disk:/Альбом: 1/a/b/фото: 1.jpg")

    patched = client.patch("disk:/Альбом: 1/a/b/фото: 1.jpg", {"photo": "1", "crc": "ab"})
    assert patched.custom_properties == {"photo": "1", "crc": "ab"}
    patched = client.patch("disk:/Альбом: 1/a/b/фото: 1.jpg", {"crc": None})
    assert patched.custom_properties == {"photo": "1"}

    for number in range(5):
        upload(client, b"small %d" % number, f"disk:/Альбом: 1/{number}.jpg")
    listed = list(client.listdir("disk:/Альбом: 1", limit=2, sort="-name", fields=["name", "type", "size"]))
    assert [each.name for each in listed] == ["a", "4.jpg", "3.jpg", "2.jpg", "1.jpg", "0.jpg"]
    assert [each.size for each in listed] == [None, 7, 7, 7, 7, 7]

    client.move("disk:/Альбом: 1/a/b/фото: 1.jpg", "disk:/moved.jpg")
    back = io.BytesIO()
    client.download("disk:/moved.jpg", back)
    assert back.getvalue() == data
    client.remove("disk:/Альбом: 1", permanently=True)
    assert world.yandex.account().tree() == [("moved.jpg", len(data), meta.md5)]
    info = client.get_disk_info()
    assert (info.used_space, info.user.login, info.max_file_size) == (len(data), "guest", 1024**3)
    assert world.violations == []


def test_package_waits_for_operations(world: World, client: yadisk.Client) -> None:
    """202 and a link to an operation that is in progress for a while; a failed one is an error."""
    world.yandex.defers |= {"delete", "move"}
    upload(client, b"1", "disk:/a.jpg")
    client.move("disk:/a.jpg", "disk:/b.jpg")
    assert [each.name for each in world.yandex.account().files()] == ["b.jpg"]
    world.yandex.operations.ends = "failed"
    with pytest.raises(yadisk.exceptions.AsyncOperationFailedError):
        client.remove("disk:/b.jpg", permanently=True)
    world.yandex.operations.ends = "success"
    client.remove("disk:/b.jpg", permanently=True)
    assert world.yandex.account().files() == []


def test_package_knows_our_errors(world: World, client: yadisk.Client) -> None:
    """Every refusal is the exception the package has for it."""
    errors, disk = yadisk.exceptions, world.yandex.account()
    client.mkdir("disk:/A")
    upload(client, b"1", "disk:/a.jpg")
    with pytest.raises(errors.DirectoryExistsError):
        client.mkdir("disk:/A")
    with pytest.raises(errors.ParentNotFoundError):
        client.mkdir("disk:/B/C")
    with pytest.raises(errors.PathExistsError):
        client.mkdir("disk:/a.jpg")
    with pytest.raises(errors.PathExistsError):
        upload(client, b"2", "disk:/a.jpg")
    with pytest.raises(errors.ParentNotFoundError):
        upload(client, b"2", "disk:/B/a.jpg")
    with pytest.raises(errors.PathNotFoundError):
        client.get_meta("disk:/b.jpg")
    with pytest.raises(errors.OperationNotFoundError):
        client.get_operation_status("0123")
    disk.max_file_size = 1
    world.yandex.takes_chunked = True
    with pytest.raises(errors.PayloadTooLargeError):
        upload(client, b"22", "disk:/b.jpg")
    disk.limit = 1
    with pytest.raises(errors.InsufficientStorageError):
        upload(client, b"2", "disk:/b.jpg")
    world.yandex.read_only = True
    with pytest.raises(errors.LockedError):
        client.mkdir("disk:/C")
    disk.unsupported = True
    with pytest.raises(errors.ForbiddenError):
        client.get_disk_info()
    world.yandex_accounts.expire_tokens()
    with pytest.raises(errors.UnauthorizedError):
        client.get_disk_info()


def test_package_follows_every_turn_of_a_grant(world: World, client: yadisk.Client) -> None:
    """Consent, code, refresh with rotation, and revoking of a token that is for a device."""
    verifier = "v" * 43
    digest = hashlib.sha256(verifier.encode()).digest()
    url = f"{world.yandex_accounts.url}/authorize?" + urlencode(
        {
            "response_type": "code",
            "client_id": client.id,
            "redirect_uri": "http://127.0.0.1:9/back",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "device_id": "0123456789",
        }
    )
    code = dict(parse_qsl(urlsplit(world.yandex_accounts.consent(url)).query))["code"]
    told = client.get_token(code, code_verifier=verifier)
    again = client.refresh_token(told.refresh_token)
    assert again.refresh_token not in (None, told.refresh_token)
    with pytest.raises(yadisk.exceptions.InvalidGrantError):
        client.refresh_token(told.refresh_token)
    assert world.violations == ["a refresh token used twice: POST /token"]
    assert client.check_token(again.access_token)
    assert client.revoke_token(again.access_token).status == "ok"
    assert not client.check_token(again.access_token)
