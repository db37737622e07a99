"""The environment: read once, checked, and never shown."""

import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from common.config.env import Variable, WrongSetting
from common.config.settings import WebSettings, WorkerSettings, allow_oauthlib_http, load_environment
from common.crypto.sealing import Secret
from common.http.network_policy import NetworkPolicy
from common.messages.publisher import connection_parameters

KEY = "k" * 43  # always the same one: it stands in names of tests
NEEDED = {
    "RABBITMQ_URL": "amqp://user:hush@broker:5672/vhost",
    "SECRET_KEYS": KEY,
    "PUBLIC_BASE_URL": "https://archive.example",
}
CLOUDS = {"dropcloud": (Variable("DC_ID"), Variable("DC_SECRET"), Variable("DC_URL", "https://dc.example"))}


def read_web(**environ: str) -> WebSettings:
    """Return `web`'s settings."""
    return WebSettings.read({**NEEDED, **environ}, CLOUDS)


def read_worker(**environ: str) -> WorkerSettings:
    """Return `worker`'s settings."""
    return WorkerSettings.read({**NEEDED, **environ}, CLOUDS)


def test_webs_defaults_are_the_contracts() -> None:
    """With nothing else set."""
    settings = read_web()
    assert settings.gallery_base_url == "https://app.litegallery.io"
    assert settings.redirect_hosts == ("*.lite.gallery", "*.litegallery.io")
    assert settings.cors_hosts == settings.redirect_hosts
    assert settings.rate_limit_per_minute == 60
    assert settings.forwarded_allow_ips == "127.0.0.1"
    assert (settings.host, settings.port) == ("0.0.0.0", 8000)
    assert (settings.log_level, settings.log_format) == ("INFO", "json")
    assert (settings.network, settings.clouds) == (NetworkPolicy(allow_private=False, ca_bundle=None), {})


@pytest.mark.parametrize("read", [read_web, read_worker])
def test_settings_are_told_as_fields_and_no_secret_among_them(
    read: Callable[..., WebSettings | WorkerSettings],
) -> None:
    """Numbers as numbers, lists as lists; of a cloud its name, of a key how many there are."""
    told = read(DC_ID="dc-hush", DC_SECRET="dc-hush").list_fields()
    assert json.loads(json.dumps(told)) == told
    assert "hush" not in str(told)
    assert KEY not in str(told)
    assert {"sealer": "Sealer(1 keys)", "clouds": ["dropcloud"], "allow_local_network": False}.items() <= told.items()
    assert told["rabbitmq_url"] == "Secret(34 characters)"
    assert not {*told, "a"} & {*vars(logging.makeLogRecord({})), "message", "asctime"}


def test_workers_defaults_are_the_contracts() -> None:
    """With nothing else set."""
    settings = read_worker()
    assert settings.done_url == "https://app.litegallery.io/cloud_archive/done"
    assert settings.photo_hosts == ("*.lite.gallery", "*.litegallery.io")
    assert (settings.port, settings.jobs, settings.photos) == (8001, 4, 8)
    assert (settings.retry_attempts, settings.retry_base_seconds, settings.retry_max_seconds) == (5, 1.0, 60.0)
    assert settings.shutdown_grace_seconds == 25
    assert settings.chunk_bytes % (1024 * 1024) == 0


def test_a_default_may_follow_another_variable() -> None:
    """The done call goes to the gallery that lists; pages that guests return to may call us."""
    assert read_worker(GALLERY_BASE_URL="https://t.litegallery.io/").done_url.startswith("https://t.litegallery.io/cl")
    assert read_web(REDIRECT_HOSTS="*.x.example").cors_hosts == ("*.x.example",)
    assert read_web(REDIRECT_HOSTS="*", CORS_HOSTS="A.example , b.example,").cors_hosts == ("a.example", "b.example")


def test_an_empty_variable_is_not_set() -> None:
    """Compose files and manifests leave them empty."""
    assert read_web(LOG_LEVEL="", WEB_PORT=" ", CA_BUNDLE="", GALLERY_BASE_URL="").port == 8000


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_required_is_named_when_missing(name: str) -> None:
    """Not set, or empty."""
    for environ in ({key: value for key, value in NEEDED.items() if key != name}, {**NEEDED, name: " "}):
        with pytest.raises(WrongSetting, match=rf"^{name} is required$"):
            WebSettings.read(environ, CLOUDS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RABBITMQ_URL", "https://hush"),
        ("RABBITMQ_URL", "amqp://"),
        ("RABBITMQ_URL", "amqp://user:hush@broker:port/"),
        ("RABBITMQ_URL", "amqp://[hush/"),
        ("SECRET_KEYS", "hush"),
        ("SECRET_KEYS", f"{KEY},hush"),
        ("SECRET_KEYS", ","),
        ("PUBLIC_BASE_URL", "http://archive.example"),
        ("PUBLIC_BASE_URL", "archive.example"),
        ("PUBLIC_BASE_URL", "https://"),
        ("PUBLIC_BASE_URL", "https://[hush"),
        ("PUBLIC_BASE_URL", "https://archive.example:hush"),
        ("PUBLIC_BASE_URL", "https://user:hush@archive.example"),
        ("PUBLIC_BASE_URL", "https://archive.example/?a=hush"),
        ("PUBLIC_BASE_URL", "https://archive.example/#hush"),
        ("GALLERY_BASE_URL", "http://t.litegallery.io"),
        ("REDIRECT_HOSTS", ","),
        ("REDIRECT_HOSTS", "https://hush.example"),
        ("REDIRECT_HOSTS", "a.example,hush.example:8443"),
        ("REDIRECT_HOSTS", "127.0.0.1:8000"),
        ("CORS_HOSTS", "hush.*.example"),
        ("CORS_HOSTS", "hush.example/"),
        ("RATE_LIMIT_PER_MINUTE", "-1"),
        ("RATE_LIMIT_PER_MINUTE", "many"),
        ("WEB_PORT", "0"),
        ("WEB_PORT", "65536"),
        ("WEB_PORT", "80.5"),
        ("WEB_PORT", "8_000"),
        ("WEB_PORT", "٨٠٠٠"),
        ("WEB_PORT", "tcp://10.0.0.1:80"),
        ("WEB_HOST", "0.0.0.0:8000"),
        ("WEB_HOST", "http://hush"),
        ("RATE_LIMIT_PER_MINUTE", "1000001"),
        ("RATE_LIMIT_PER_MINUTE", "6 0"),
        ("FORWARDED_ALLOW_IPS", "hush"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.1/8"),
        ("FORWARDED_ALLOW_IPS", "127.0.0.1,999.1.1.1"),
        ("FORWARDED_ALLOW_IPS", ","),
        ("PUBLIC_BASE_URL", "https://archive.example/hush"),
        ("PUBLIC_BASE_URL", "https://archive.example/?"),
        ("PUBLIC_BASE_URL", "https://archive.example/#"),
        ("PUBLIC_BASE_URL", "https://@archive.example"),
        ("PUBLIC_BASE_URL", "https://archive.example:"),
        ("PUBLIC_BASE_URL", "https://archive.example:0"),
        ("PUBLIC_BASE_URL", "https://arch ive.example"),
        ("PUBLIC_BASE_URL", "https://архив.example"),
        ("PUBLIC_BASE_URL", "https://*.example"),
        ("PUBLIC_BASE_URL", "https://.example"),
        ("GALLERY_BASE_URL", "https://t.litegallery.io\n.hush"),
        ("REDIRECT_HOSTS", "*."),
        ("REDIRECT_HOSTS", ".hush.example"),
        ("REDIRECT_HOSTS", "hush..example"),
        ("REDIRECT_HOSTS", "галерея.example"),
        ("RABBITMQ_URL", "amqp://user:hu#sh@broker:5672/"),
        ("RABBITMQ_URL", "amqp://user:hush@broker:5672/a/b"),
        ("RABBITMQ_URL", "amqp://user:hush@broker:0/"),
        ("RABBITMQ_URL", "amqp://user:hush@bro ker/"),
        ("RABBITMQ_URL", "amqp://user:hush@broker/#hush"),
        ("LOG_LEVEL", "hush"),
        ("LOG_FORMAT", "xml"),
        ("ALLOW_LOCAL_NETWORK", "hush"),
        ("RABBITMQ_URL", "amqp://user:x@broker/?heartbeat=hush"),
        ("RABBITMQ_URL", "amqp://user:x@broker/?hush=1"),
        ("RABBITMQ_URL", "amqp://user:x@broker/?retry_delay=-1"),
        ("RABBITMQ_URL_FILE", "/hush\0"),
        ("CA_BUNDLE", "/hush/is/not/there.pem"),
        ("CA_BUNDLE", "/hush\0"),
        ("CA_BUNDLE", "/"),
        ("CA_BUNDLE", "/dev/null"),
        ("CA_BUNDLE", __file__),
        ("DC_URL", "http://hush.example"),
    ],
)
def test_a_wrong_value_is_named_and_not_shown(name: str, value: str) -> None:
    """The message begins with the variable, and is one line."""
    with pytest.raises(WrongSetting, match=rf"^{name}\b") as caught:
        read_web(**{"DC_ID": "a", "DC_SECRET": "b", name: value})
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKER_JOBS", "0"),
        ("WORKER_PHOTOS", "none"),
        ("CHUNK_SIZE_MIB", "0.5"),
        ("RETRY_ATTEMPTS", "0"),
        ("WORKER_JOBS", "1001"),
        ("WORKER_JOBS", "1_0"),
        ("WORKER_JOBS", "+4"),
        ("WORKER_JOBS", "4.0"),
        ("WORKER_JOBS", "9" * 5000),
        ("WORKER_PORT", "tcp://10.96.0.7:8001"),
        ("WORKER_PHOTOS", "257"),
        ("CHUNK_SIZE_MIB", "10241"),
        ("RETRY_ATTEMPTS", "101"),
        ("RETRY_BASE_SECONDS", "0"),
        ("RETRY_BASE_SECONDS", "61"),
        ("RETRY_MAX_SECONDS", "0.5"),
        ("RETRY_MAX_SECONDS", "1e9"),
        ("RETRY_MAX_SECONDS", "1000000000"),
        ("RETRY_MAX_SECONDS", "1_0"),
        ("SLICE_SECONDS", "0"),
        ("SLICE_SECONDS", "0.0"),
        ("SLICE_SECONDS", "-0"),
        ("SLICE_SECONDS", "86400"),
        ("SLICE_SECONDS", "infinity"),
        ("SHUTDOWN_GRACE_SECONDS", "0"),
        ("SHUTDOWN_GRACE_SECONDS", "-1"),
        ("SHUTDOWN_GRACE_SECONDS", "３０"),
        ("SHUTDOWN_GRACE_SECONDS", "3601"),
        ("RETRY_BASE_SECONDS", "-1"),
        ("RETRY_MAX_SECONDS", "nan"),
        ("SHUTDOWN_GRACE_SECONDS", "inf"),
        ("DONE_URL", "http://t.litegallery.io/done"),
        ("PHOTO_HOSTS", "*.*"),
    ],
)
def test_the_worker_checks_its_own(name: str, value: str) -> None:
    """Wrong values are named and not shown there too."""
    with pytest.raises(WrongSetting, match=rf"^({name}|RETRY_BASE_SECONDS) must (not )?be"):
        read_worker(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("SLICE_SECONDS", "0.001"), ("SLICE_SECONDS", "43200"), ("RETRY_BASE_SECONDS", "0.001"), ("WORKER_JOBS", " 500 ")],
)
def test_what_is_unusual_and_works_is_taken(name: str, value: str) -> None:
    """The bounds keep out what cannot be meant, and no more."""
    read_worker(**{name: value})


def test_what_is_wrong_together_is_told() -> None:
    """Each value alone would be right."""
    read_worker(WORKER_JOBS="1000", WORKER_PHOTOS="4")
    with pytest.raises(WrongSetting, match=r"^WORKER_PHOTOS times WORKER_JOBS must be"):
        read_worker(WORKER_JOBS="1000", WORKER_PHOTOS="5")
    read_worker(RETRY_BASE_SECONDS="60")
    with pytest.raises(WrongSetting, match=r"^RETRY_BASE_SECONDS must not be more than RETRY_MAX_SECONDS"):
        read_worker(RETRY_BASE_SECONDS="2", RETRY_MAX_SECONDS="1.5")


def test_all_that_is_wrong_is_told_at_once() -> None:
    """Also when something else is made of one of them, or a required one is missing."""
    with pytest.raises(WrongSetting) as caught:
        WorkerSettings.read(
            {"SECRET_KEYS": "hush", "GALLERY_BASE_URL": "hush", "SLICE_SECONDS": "0", "DC_ID": "a"}, CLOUDS
        )
    named = [problem.partition(" ")[0].strip(":") for problem in caught.value.problems]
    assert named == ["DC_SECRET", "RABBITMQ_URL", "SECRET_KEYS", "GALLERY_BASE_URL", "SLICE_SECONDS"]
    assert "hush" not in str(caught.value)
    with pytest.raises(WrongSetting) as caught:
        read_web(REDIRECT_HOSTS="*.", WEB_PORT="0", ALLOW_LOCAL_NETWORK="perhaps")
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("character", '#/?@%[] \\äж"<>^`{|}')
def test_a_password_that_breaks_its_url_is_told_with_its_cure(character: str) -> None:
    """Percent-encoded, each of them is accepted."""
    with pytest.raises(WrongSetting, match=r"^RABBITMQ_URL must have its user and password percent-encoded") as caught:
        read_web(RABBITMQ_URL=f"amqp://user:hu{character}sh@broker:5672/vhost")
    assert f"hu{character}" not in str(caught.value)
    url = read_web(RABBITMQ_URL=f"amqp://user:hu{quote(character, '')}sh@broker:5672/%2F").rabbitmq_url
    parameters = connection_parameters(url, "test", heartbeat=10)
    assert (parameters.credentials.password, parameters.virtual_host) == (f"hu{character}sh", "/")


def test_a_port_that_kubernetes_tells_is_explained() -> None:
    """A Service called `worker` gives every pod a WORKER_PORT."""
    with pytest.raises(WrongSetting, match="enableServiceLinks"):
        read_worker(WORKER_PORT="tcp://10.96.0.7:8001")


def test_the_local_network_allows_plain_http() -> None:
    """For our own addresses and the clouds'."""
    environ = {"PUBLIC_BASE_URL": "http://127.0.0.1:8000/", "DC_ID": "a", "DC_SECRET": "b", "DC_URL": "http://[::1]:1"}
    settings = read_web(ALLOW_LOCAL_NETWORK="True", REDIRECT_HOSTS="127.0.0.1,localhost,::1", **environ)
    assert settings.public_base_url == "http://127.0.0.1:8000"
    assert settings.clouds["dropcloud"]["DC_URL"].reveal() == "http://[::1]:1"


def test_a_cloud_is_offered_when_its_secrets_are_there() -> None:
    """All secrets must be set, or none."""
    assert read_web(DC_URL="https://other.example").clouds == {}
    settings = read_web(DC_ID="a", DC_SECRET="b").clouds["dropcloud"]
    assert settings == {"DC_ID": Secret("a"), "DC_SECRET": Secret("b"), "DC_URL": Secret("https://dc.example")}
    with pytest.raises(WrongSetting, match=r"^DC_SECRET is required"):
        read_web(DC_ID="a")


def test_secrets_may_stand_in_files(tmp_path: Path) -> None:
    """As orchestrators mount them, with a newline at the end."""
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "secret").write_text("b\n")
    environ = {name: value for name, value in NEEDED.items() if name != "SECRET_KEYS"}
    files = {"SECRET_KEYS_FILE": str(tmp_path / "key"), "DC_ID": "a", "DC_SECRET_FILE": str(tmp_path / "secret")}
    settings = WebSettings.read({**environ, **files}, CLOUDS)
    assert settings.sealer.seal("text", "context")
    assert settings.clouds["dropcloud"]["DC_SECRET"] == Secret("b")


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_a_secrets_file_that_is_no_good_is_named(tmp_path: Path, content: bytes | None) -> None:
    """Missing, empty, or no text."""
    if content is not None:
        (tmp_path / "url").write_bytes(content)
    environ = {name: value for name, value in NEEDED.items() if name != "RABBITMQ_URL"}
    with pytest.raises(WrongSetting, match=r"^RABBITMQ_URL_FILE names"):
        WebSettings.read({**environ, "RABBITMQ_URL_FILE": str(tmp_path / "url")}, CLOUDS)


def test_a_secret_stands_in_one_place(tmp_path: Path) -> None:
    """Setting both is an error."""
    (tmp_path / "key").write_text(KEY)
    with pytest.raises(WrongSetting, match=r"^SECRET_KEYS and SECRET_KEYS_FILE are both set"):
        read_web(SECRET_KEYS_FILE=str(tmp_path / "key"))


def test_settings_are_frozen_and_show_no_secret() -> None:
    """They may be logged whole."""
    settings = read_web(DC_ID="an id", DC_SECRET="hush-hush")
    shown = repr(settings)
    assert [each for each in ("hush", KEY, "user:") if each in shown] == []
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]


def test_a_file_beside_us_is_read_and_real_variables_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's `.env`."""
    (tmp_path / ".env").write_text("LOG_LEVEL=DEBUG\nWEB_PORT=1234\nBARE\n")
    monkeypatch.setenv("WEB_PORT", "4321")
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    environ = load_environment(tmp_path / ".env")
    assert (environ["LOG_LEVEL"], environ["WEB_PORT"]) == ("DEBUG", "4321")
    assert "BARE" not in environ
    assert load_environment(tmp_path / "none")["WEB_PORT"] == "4321"


def test_oauthlib_speaks_http_only_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the environment variable that it reads."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "")
    allow_oauthlib_http()
    assert load_environment(Path("none"))["OAUTHLIB_INSECURE_TRANSPORT"] == "1"


def test_a_blank_variable_is_not_set() -> None:
    """Templates leave blanks: beside a file, and of a cloud that is not to be offered."""
    secret = Path(__file__).with_name("test_settings.py")
    assert read_web(DC_ID=" ", DC_SECRET="").clouds == {}
    assert read_web(DC_ID=" ", DC_ID_FILE=str(secret), DC_SECRET="b").clouds.keys() == {"dropcloud"}


def test_a_broker_may_have_options() -> None:
    """Those that its library takes."""
    url = "amqp://user:hush@broker/?connection_attempts=2&heartbeat=0&locale=en_US"
    assert connection_parameters(read_web(RABBITMQ_URL=url).rabbitmq_url, "x", heartbeat=1).connection_attempts == 2
