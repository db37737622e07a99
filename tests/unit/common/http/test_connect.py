"""The SSRF guard of the address that is really connected to, with a fake resolver and fake routes."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from common.clouds.photos import Photo
from common.errors import AddressRefused, PhotoRejected, Reason, Transient
from common.http import connect as connections
from common.http.client import HttpClient
from common.http.connect import NotPublic, connect
from common.http.network_policy import PUBLIC_ONLY, NetworkPolicy
from common.http.requests_adapter import mount_client
from sandbox.http.message import Reply, Request, text_reply
from sandbox.http.server import Server
from worker.gallery.client import Gallery

PUBLIC = "93.184.216.34"
NAME = "up-d.lite.gallery"
PHOTO = Photo("1", (), "a.jpg", f"https://{NAME}/a.jpg", 7)


class Internet:
    """A fake resolver, and routes from public addresses to a server of ours.

    Attributes:
        answers: what the name means, lookup by lookup; the last one stays.
        asked: names that were looked up.
        tried: addresses that were connected to.
        refuses: addresses where nobody listens.
    """

    def __init__(self, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: list[list[str]] = [[PUBLIC]]
        self.asked: list[str] = []
        self.tried: list[str] = []
        self.refuses: set[str] = set()
        self._port = port
        self._resolve = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self.look_up)
        monkeypatch.setattr(connections.socket, "socket", self._socket_class())

    def look_up(self, host: str, *args: Any, **_options: Any) -> list[Any]:
        """Answer like `socket.getaddrinfo`."""
        self.asked.append(host)
        if not host.endswith(".lite.gallery"):
            return list(self._resolve(host, *args))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in answer]

    def _socket_class(self) -> type[socket.socket]:
        internet = self

        class Redirected(socket.socket):
            def connect(self, address: Any) -> None:
                internet.tried.append(address[0])
                if address[0] in internet.refuses:
                    raise ConnectionRefusedError
                super().connect(("127.0.0.1", internet._port))

        return Redirected


@pytest.fixture
def seen() -> list[Request]:
    """Requests that arrived."""
    return []


@pytest.fixture
def authority() -> trustme.CA:
    """The authority that the client trusts."""
    return trustme.CA()


@pytest.fixture
def server(seen: list[Request], authority: trustme.CA) -> Iterator[Server]:
    """The server behind every public address, with the name's certificate."""

    def answer(request: Request) -> Reply:
        request.content()
        seen.append(request)
        if request.target == "/moved":
            return Reply(302, b"", {"Location": "https://inside.lite.gallery/secret"})
        return text_reply("a photo")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(context)
    running = Server(answer, "127.0.0.1", tls=context)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def internet(server: Server, monkeypatch: pytest.MonkeyPatch) -> Internet:
    """The fake internet."""
    return Internet(int(server.url.rpartition(":")[2]), monkeypatch)


@pytest.fixture
def http(authority: trustme.CA, tmp_path: Path) -> HttpClient:
    """A client as in production."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    return HttpClient(
        connections=2,
        policy=NetworkPolicy(allow_private=False, ca_bundle=str(bundle)),
        reason=Reason.GALLERY_UNAVAILABLE,
    )


def test_the_address_that_was_checked_is_the_one_connected_to(
    internet: Internet, http: HttpClient, seen: list[Request]
) -> None:
    """One lookup per connection: a name that resolves differently the next time (DNS rebinding) is harmless."""
    internet.answers = [[PUBLIC], ["127.0.0.1"]]
    assert http.request("GET", f"https://{NAME}/a").body == b"a photo"
    assert http.request("GET", f"https://{NAME}/b").body == b"a photo"
    assert (internet.asked, internet.tried) == ([NAME], [PUBLIC])
    assert [request.headers["Host"] for request in seen] == [NAME, NAME]


@pytest.mark.parametrize("found", [["127.0.0.1"], [PUBLIC, "10.0.0.1"], ["169.254.169.254", PUBLIC], ["::ffff:7f00:1"]])
def test_a_name_with_any_other_address_is_refused(internet: Internet, http: HttpClient, found: list[str]) -> None:
    """Nothing is connected to, not even the public one of them; the error names no address."""
    internet.answers = [found]
    with pytest.raises(AddressRefused) as raised:
        http.request("GET", f"https://{NAME}/a")
    assert (internet.asked, internet.tried) == ([NAME], [])
    assert str(raised.value) == "gallery_unavailable: the host's address is not a public one"
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "10.1.2.3",
        "100.64.0.1",
        "192.168.1.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fd00::1]",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_addresses_are_refused_however_they_are_written(
    internet: Internet, http: HttpClient, scheme: str, host: str
) -> None:
    """As numbers of any base, abbreviated, mapped into IPv6."""
    with pytest.raises(AddressRefused):
        http.request("GET", f"{scheme}://{host}/")
    assert internet.tried == []


def test_the_next_address_is_tried(internet: Internet, http: HttpClient) -> None:
    """A host is reached as long as one of its addresses answers."""
    internet.answers = [["93.184.216.1", PUBLIC]]
    internet.refuses = {"93.184.216.1"}
    assert http.request("GET", f"https://{NAME}/a").status == 200
    assert internet.tried == ["93.184.216.1", PUBLIC]


def test_nobody_there_is_transient(internet: Internet, http: HttpClient) -> None:
    """No address, an invalid name, no answer."""
    internet.refuses = {PUBLIC}
    internet.answers = [[PUBLIC], []]
    for host in (NAME, NAME, "a" * 70 + ".example", "a..b"):
        with pytest.raises(Transient) as raised:
            http.request("GET", f"https://{host}/")
        assert not isinstance(raised.value, AddressRefused)
    assert internet.tried == [PUBLIC]


def test_certificates_are_checked_for_the_name(internet: Internet, http: HttpClient) -> None:
    """Connecting to an address that was resolved beforehand does not change whose certificate is needed."""
    with pytest.raises(Transient, match="SSLCertVerificationError"):
        http.request("GET", "https://another.lite.gallery/")
    assert internet.tried == [PUBLIC]


def test_sessions_of_the_clouds_libraries_are_guarded_as_well(internet: Internet, http: HttpClient) -> None:
    """They send through requests; the exception is ours."""
    with requests.Session() as session:
        mount_client(session, http)
        internet.answers = [["10.0.0.1"], [PUBLIC]]
        with pytest.raises(AddressRefused):
            session.post(f"https://{NAME}/token", data={"code": "x"})
        assert internet.tried == []
        assert session.post(f"https://{NAME}/token", data={"code": "x"}).text == "a photo"


def gallery_with(http: HttpClient) -> Gallery:
    """A gallery as in production."""
    return Gallery(
        http,
        base_url="https://app.litegallery.io",
        photo_hosts=("*.lite.gallery",),
        done_url="https://app.litegallery.io/cloud_archive/done",
        signing_secrets=(),
        policy=PUBLIC_ONLY,
    )


def test_a_photo_behind_such_a_name_is_rejected(internet: Internet, http: HttpClient) -> None:
    """Only this photo, at once, without trying another host."""
    internet.answers = [["169.254.169.254"]]
    with pytest.raises(PhotoRejected) as raised:
        gallery_with(http).open_photo(PHOTO, 0, None)
    assert raised.value.reason is Reason.URL_NOT_ALLOWED
    assert (internet.asked, internet.tried) == ([NAME], [])


def test_a_redirect_to_such_a_name_is_not_followed(internet: Internet, http: HttpClient, seen: list[Request]) -> None:
    """Every hop is a connection, and every connection is guarded."""
    internet.answers = [[PUBLIC], ["10.0.0.1"]]
    with pytest.raises(PhotoRejected) as raised:
        gallery_with(http).open_photo(replace(PHOTO, url=f"https://{NAME}/moved"), 0, None)
    assert raised.value.reason is Reason.URL_NOT_ALLOWED
    assert (len(seen), internet.asked, internet.tried) == (1, [NAME, "inside.lite.gallery"], [PUBLIC])


def test_a_gallery_behind_such_a_name_is_down(
    internet: Internet, http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its list nor its done call is a photo's fault: names can be mended, and the job waits for that."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: internet.look_up("10.0.0.1", 443))
    with pytest.raises(Transient) as raised:
        gallery_with(http).fetch_manifest("https://arch-d.lite.gallery/g/1/2")
    assert (raised.value.reason, internet.tried) == (Reason.GALLERY_UNAVAILABLE, [])


def test_the_guard_alone(internet: Internet) -> None:
    """By the function that makes every connection."""
    with pytest.raises(NotPublic):
        connect("::1", 80, 1.0, policy=PUBLIC_ONLY)
    connect(NAME, 443, 1.0, policy=PUBLIC_ONLY).close()
    assert internet.tried == [PUBLIC]
