"""Warnings about the environment name variables and never show values."""

import inspect
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.clouds import CLOUDS
from common.config import settings as module
from common.config.lint import edit_distance, lint_environment
from common.config.settings import NAMES, SECRET_NAMES

CLOUD_NAMES = {cloud.name: cloud.variables for cloud in CLOUDS}


def warnings(**environ: str) -> list[str]:
    """Return the warnings."""
    return list(lint_environment(environ, NAMES, SECRET_NAMES, CLOUD_NAMES))


def test_the_names_are_those_that_are_read() -> None:
    """Every one, and no other."""
    source = inspect.getsource(module)
    assert sorted(NAMES) == sorted(set(re.findall(r'env\.\w+\(\s*"([A-Z][A-Z0-9_]+)"', source)))
    assert sorted(SECRET_NAMES) == sorted(re.findall(r'env\.read_secret\(\s*"([A-Z][A-Z0-9_]+)"', source))


def test_what_is_read_raises_no_doubt() -> None:
    """Nor do secrets in files."""
    of_clouds = [variable.name for wanted in CLOUD_NAMES.values() for variable in wanted]
    assert warnings(**dict.fromkeys((*NAMES, *of_clouds), "x")) == []
    files = ("RABBITMQ_URL_FILE", "SECRET_KEYS_FILE", "DONE_SIGNING_SECRET_FILE", "YANDEX_CLIENT_SECRET_FILE")
    assert warnings(**dict.fromkeys(files, "/x")) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RABITMQ_URL", "RABBITMQ_URL"),
        ("RABBITMQ_URI", "RABBITMQ_URL"),
        ("RABBIT_MQ_URL", "RABBITMQ_URL"),
        ("WORKER_JOB", "WORKER_JOBS"),
        ("GOOGLE_CLIENT_SECERT", "GOOGLE_CLIENT_SECRET"),
        ("GOOGLE_CLIENTID", "GOOGLE_CLIENT_ID"),
        ("SECRET_KEY", "SECRET_KEYS"),
        ("SLICE_SECOND", "SLICE_SECONDS"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("PUBLIC_BASEURL", "PUBLIC_BASE_URL"),
        ("SECRET_KEYS_FIEL", "SECRET_KEYS_FILE"),
        ("worker_jobs", "WORKER_JOBS"),
    ],
)
def test_a_slip_of_the_pen_is_named(name: str, meant: str) -> None:
    """With what may be meant; the value is not shown."""
    (warning,) = warnings(**{name: "hush"})
    assert warning.startswith(f"{name} ")
    assert f" {meant} " in warning
    assert "hush" not in warning


@pytest.mark.parametrize(
    "name",
    [
        "WORKER_THREADS",
        "GOOGLE_SCOPES",
        "YANDEX_FOLDER",
        "RETRY_TIMES",
        "GALLERY_TOKEN",
        "DONE_SECRET_NAME",
        "CLOUD_ARCHIVE_DEBUG",
        "WORKER_JOBS_FILE",
        "WEB_WORKERS",
        "CHUNK_BYTES",
        "SECRET_KEYS_OLD_ONES",
    ],
)
def test_a_name_that_begins_like_ours_is_named(name: str) -> None:
    """Probably meant for us."""
    (warning,) = warnings(**{name: "hush"})
    assert warning.startswith(f"{name} is read by nobody")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/bin"),
        ("HOSTNAME", "web-1"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/x.json"),
        ("GOOGLE_CLOUD_PROJECT", "x"),
        ("GOOGLE_API_USE_CLIENT_CERTIFICATE", "true"),
        ("WEB_CONCURRENCY", "2"),
        ("RABBITMQ_PASSWORD", "x"),
        ("RABBITMQ_DEFAULT_USER", "x"),
        ("WEB_SERVICE_HOST", "10.0.0.1"),
        ("WEB_SERVICE_PORT", "80"),
        ("WEB_SERVICE_PORT_HTTP", "80"),
        ("WORKER_PORT_8001_TCP", "tcp://10.0.0.1:8001"),
        ("WORKER_PORT_8001_TCP_ADDR", "10.0.0.1"),
        ("CLOUD_ARCHIVE_WEB_PORT", "tcp://10.0.0.1:80"),
        ("CLOUD_ARCHIVE_WEB_SERVICE_HOST", "10.0.0.1"),
        ("RABBITMQ_PORT", "tcp://10.0.0.1:5672"),
        ("REQUESTS_CA_BUNDLE", "/x"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ("WORKER_THREADS", " "),
    ],
)
def test_what_is_others_raises_no_false_alarm(name: str, value: str) -> None:
    """Kubernetes' own, other products', and empty ones."""
    assert warnings(**{name: value}) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GOOGLE_CLIENT_SECRET", '"hush"'),
        ("RABBITMQ_URL", "'hush'"),
        ("FORWARDED_ALLOW_IPS", "*"),
        ("REDIRECT_HOSTS", "a.example,*.com"),
        ("PHOTO_HOSTS", "*.io"),
    ],
)
def test_a_value_that_hardly_anybody_means_is_named(name: str, value: str) -> None:
    """Quotes that an env file keeps, every address as a proxy, a whole top-level domain."""
    (warning,) = warnings(**{name: value})
    assert warning.startswith(f"{name} ")
    assert "hush" not in warning


@pytest.mark.parametrize(
    ("name", "other", "distance"),
    [("ABC", "ABC", 0), ("AB", "ABC", 1), ("ABX", "ABC", 1), ("ACB", "ABC", 1), ("ABCD", "ABC", 1), ("XYZ", "ABC", 3)],
)
def test_slips_are_counted(name: str, other: str, distance: int) -> None:
    """Left out, changed, swapped, added; 3 at most."""
    assert edit_distance(name, other) == distance


@settings(deadline=None)
@given(st.text(), st.text())
def test_no_name_surprises(name: str, value: str) -> None:
    """Any name and value; the distance is symmetric."""
    assert all(warning.startswith(name) for warning in warnings(**{name: value}))
    assert edit_distance(name, "WORKER_JOBS") == edit_distance("WORKER_JOBS", name)
