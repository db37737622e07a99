"""The doctor against the sandbox; only the broker is a closed port here."""

from collections.abc import Iterator

import pytest

from common.clouds import CLOUDS
from common.crypto.sealing import make_key
from common.messages.publisher import Publisher
from sandbox.run.program import find_port
from sandbox.world import World
from tools import doctor

CHECK = Publisher.check


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A deployment in the sandbox; its broker always answers."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # the doctor sets it too; here it is put back
    monkeypatch.setattr(Publisher, "check", lambda _publisher: None)
    with World() as world:
        yield {
            **world.environment(),
            "RABBITMQ_URL": "amqp://user:hush@127.0.0.1:1/",
            "SECRET_KEYS": make_key(),
            "PUBLIC_BASE_URL": "https://app.litegallery.io",
        }


def wrong(environment: dict[str, str]) -> dict[str, str]:
    """Return what the doctor finds wrong, except that the sandbox allows private addresses."""
    found = {what: told for is_right, what, told in doctor.examine(environment) if not is_right}
    found.pop("network", None)
    return found


def test_a_deployment_that_is_right_is_found_right(environment: dict[str, str]) -> None:
    """Everything is looked at, all clouds too."""
    assert wrong(environment) == {}
    looked_at = [what for _, what, _ in doctor.examine(environment)]
    assert {"settings", "keys", "broker", "gallery", "done call", *(cloud.name for cloud in CLOUDS)} < set(looked_at)
    assert looked_at.count("redirect URI") == len(CLOUDS)


def test_openness_is_told(environment: dict[str, str]) -> None:
    """ALLOW_LOCAL_NETWORK is for tests only."""
    assert (False, "network") in [(is_right, what) for is_right, what, _ in doctor.examine(environment)]


@pytest.mark.parametrize("variable", ["GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET", "YANDEX_CLIENT_SECRET"])
def test_a_client_that_its_cloud_does_not_know_is_found(environment: dict[str, str], variable: str) -> None:
    """The cloud itself is asked."""
    cloud = "google_drive" if variable.startswith("GOOGLE") else "yadisk"
    told = wrong({**environment, variable: "mistyped"})
    assert list(told) == [cloud]
    assert "invalid_client" in told[cloud]
    assert f"compare {variable.partition('_')[0]}_CLIENT_ID and" in told[cloud]
    assert "mistyped" not in told[cloud]


def test_a_wrong_setting_is_named_and_not_shown(environment: dict[str, str]) -> None:
    """As the services themselves say it."""
    told = wrong({**environment, "SECRET_KEYS": "hush-hush"})
    assert list(told) == ["settings"]
    assert "SECRET_KEYS" in told["settings"]
    assert "hush" not in told["settings"]


def test_all_that_is_wrong_is_told_with_what_to_do(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, and the broker is tried all the same."""
    monkeypatch.setattr(Publisher, "check", CHECK)
    bare = {**environment, "SECRET_KEYS": "", "PUBLIC_BASE_URL": "", "WORKER_JOBS": "many"}
    told = [message for is_right, _, message in doctor.examine(bare) if not is_right]
    assert [message.split()[0] for message in told] == ["SECRET_KEYS", "PUBLIC_BASE_URL", "WORKER_JOBS", "the"]
    assert "python -m tools.make_key prints one" in told[0]
    assert "as browsers see it" in told[1]
    assert "from 1 to 1000" in told[2]
    assert "the broker cannot be reached" in told[3]


def test_an_image_checks_the_service_that_it_holds(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker needs no address of its own, and `web` tells nobody of an end."""
    assert doctor.find_services() == ("web", "worker")
    monkeypatch.setattr(doctor, "find_spec", lambda name: name == "worker" or None)
    assert doctor.find_services() == ("worker",)
    del environment["PUBLIC_BASE_URL"]
    looked_at = [what for _, what, _ in doctor.examine(environment, ("worker",))]
    assert "done call" in looked_at
    assert "redirect URI" not in looked_at
    environment["PUBLIC_BASE_URL"] = "https://app.litegallery.io"
    assert "done call" not in [what for _, what, _ in doctor.examine(environment, ("web",))]


def test_a_key_that_everybody_knows_is_found(environment: dict[str, str]) -> None:
    """Also when it is only one of several."""
    assert list(wrong({**environment, "SECRET_KEYS": f"{make_key()},{'A' * 43}"})) == ["keys"]


def test_a_gallery_that_is_away_is_found(environment: dict[str, str]) -> None:
    """Nobody listens there, nor where it would be told of an end."""
    away = {**environment, "GALLERY_BASE_URL": f"http://127.0.0.1:{find_port()}"}
    assert list(wrong(away)) == ["gallery", "done call"]


def test_a_done_call_that_nobody_would_take_is_found(environment: dict[str, str]) -> None:
    """Its host is asked, and told nothing."""
    told = wrong({**environment, "DONE_URL": f"http://127.0.0.1:{find_port()}/done"})
    assert list(told) == ["done call"]
    assert "/done" in told["done call"]


@pytest.mark.parametrize("address", ["http://archive.example", "https://203.0.113.7", "https://intranet"])
def test_an_address_that_clouds_refuse_is_found(environment: dict[str, str], address: str) -> None:
    """They take https and public names only."""
    assert list(wrong({**environment, "PUBLIC_BASE_URL": address})) == ["redirect URI"]


def test_no_cloud_is_no_service(environment: dict[str, str]) -> None:
    """Without any client there is nothing to offer."""
    bare = {name: value for name, value in environment.items() if "CLIENT" not in name}
    assert list(wrong(bare)) == ["clouds"]


def test_a_broker_that_is_away_is_found(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The real question is asked of a closed port, and the password is not in the answer."""
    monkeypatch.setattr(Publisher, "check", CHECK)
    told = wrong(environment)
    assert list(told) == ["broker"]
    assert "hush" not in told["broker"]


def test_exit_status_tells(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for each finding, and 1 when one is wrong."""
    monkeypatch.setattr(doctor, "load_environment", lambda: environment)
    assert doctor.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line[:5].strip() for line in lines].count("WRONG") == 1
    assert len(lines) == len(doctor.examine(environment))
