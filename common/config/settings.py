"""Settings of `web` and `worker`: frozen dataclasses, read once at start from the environment.

A wrong or missing value stops the process with a message that names the variable and never shows a secret. What a cloud
needs it names itself (`Variable`); without its secrets it is not offered.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from dotenv import dotenv_values

from common.config import parsers
from common.config.env import CloudSettings, Environment, Variable
from common.config.lint import lint_environment
from common.crypto.sealing import Sealer, Secret
from common.http.network_policy import NetworkPolicy

GALLERY_HOSTS = "*.lite.gallery,*.litegallery.io"
# Photos at a time in a whole process: with three threads each and half a MiB of buffers, more cannot be meant.
MAX_PHOTOS = 4000
# What both services read; a cloud's variables come from the cloud. Each secret may stand in a file instead.
SECRET_NAMES = ("RABBITMQ_URL", "SECRET_KEYS", "DONE_SIGNING_SECRET")
NAMES = (
    *SECRET_NAMES,
    *("GALLERY_BASE_URL", "DONE_URL", "PUBLIC_BASE_URL", "REDIRECT_HOSTS", "CORS_HOSTS", "PHOTO_HOSTS"),
    *("RATE_LIMIT_PER_MINUTE", "FORWARDED_ALLOW_IPS", "ALLOW_LOCAL_NETWORK", "WEB_HOST", "WEB_PORT", "WORKER_PORT"),
    *("WORKER_JOBS", "WORKER_PHOTOS", "CHUNK_SIZE_MIB", "RETRY_ATTEMPTS", "RETRY_BASE_SECONDS", "RETRY_MAX_SECONDS"),
    *("SLICE_SECONDS", "SHUTDOWN_GRACE_SECONDS", "REVOKE_WHEN_DONE", "CA_BUNDLE", "LOG_LEVEL", "LOG_FORMAT"),
)

CloudVariables = Mapping[str, Sequence[Variable]]
_PORT = parsers.whole_number(1, 65535)


@dataclass(frozen=True, kw_only=True)
class CommonSettings:
    """What both processes read."""

    rabbitmq_url: Secret
    sealer: Sealer
    gallery_base_url: str
    network: NetworkPolicy
    log_level: str
    log_format: str
    clouds: Mapping[str, CloudSettings]
    # From `common.config.lint`; logged at start.
    warnings: tuple[str, ...]

    def list_fields(self) -> dict[str, object]:
        """Return the settings as fields of a log line: secrets hidden, of clouds the names."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        del told["network"], told["warnings"]
        told |= {"allow_local_network": self.network.allow_private, "ca_bundle": self.network.ca_bundle}
        return {name: _show(value) for name, value in told.items()}


@dataclass(frozen=True, kw_only=True)
class WebSettings(CommonSettings):
    """What `web` reads."""

    public_base_url: str
    redirect_hosts: tuple[str, ...]
    cors_hosts: tuple[str, ...]
    rate_limit_per_minute: int
    forwarded_allow_ips: str
    host: str
    port: int

    @classmethod
    def read(cls, environ: Mapping[str, str], clouds: CloudVariables) -> Self:
        """Return `web`'s settings.

        Args:
            environ: the variables, as from `load_environment`.
            clouds: the variables that every known cloud wants, by the cloud's name.

        Raises:
            WrongSetting: variables are missing or wrong.
        """
        env = Environment(environ)
        common = _read_common(env, clouds)
        redirect_hosts = env.read("REDIRECT_HOSTS", parsers.host_patterns, GALLERY_HOSTS)
        settings = cls(
            **common,
            public_base_url=env.read("PUBLIC_BASE_URL", parsers.base_url(common["network"], path=False)),
            redirect_hosts=redirect_hosts,
            cors_hosts=env.read("CORS_HOSTS", parsers.host_patterns, ",".join(redirect_hosts or ("*",))),
            rate_limit_per_minute=env.read("RATE_LIMIT_PER_MINUTE", parsers.whole_number(0, 1_000_000), "60"),
            forwarded_allow_ips=env.read("FORWARDED_ALLOW_IPS", parsers.networks, "127.0.0.1"),
            # A container listens on every address.
            host=env.read("WEB_HOST", parsers.listen_address, "0.0.0.0"),  # noqa: S104
            port=env.read("WEB_PORT", _PORT, "8000"),
        )
        env.raise_problems()
        return settings


@dataclass(frozen=True, kw_only=True)
class WorkerSettings(CommonSettings):
    """What `worker` reads."""

    done_url: str
    done_signing_secrets: tuple[Secret, ...]
    photo_hosts: tuple[str, ...]
    port: int
    jobs: int
    photos: int
    chunk_bytes: int
    retry_attempts: int
    retry_base_seconds: float
    retry_max_seconds: float
    slice_seconds: float
    shutdown_grace_seconds: float
    revoke_when_done: bool

    @classmethod
    def read(cls, environ: Mapping[str, str], clouds: CloudVariables) -> Self:
        """Return `worker`'s settings; arguments and errors as in `WebSettings.read`."""
        env = Environment(environ)
        common = _read_common(env, clouds)
        done_url = f"{common['gallery_base_url'] or 'https://gallery.invalid'}/cloud_archive/done"
        settings = cls(
            **common,
            done_url=env.read("DONE_URL", parsers.web_url(common["network"]), done_url),
            done_signing_secrets=env.read_secret("DONE_SIGNING_SECRET", parsers.signing_secrets)
            if env.is_set("DONE_SIGNING_SECRET")
            else (),
            photo_hosts=env.read("PHOTO_HOSTS", parsers.host_patterns, GALLERY_HOSTS),
            port=env.read("WORKER_PORT", _PORT, "8001"),
            jobs=env.read("WORKER_JOBS", parsers.whole_number(1, 1000), "4"),
            photos=env.read("WORKER_PHOTOS", parsers.whole_number(1, 256), "8"),
            chunk_bytes=env.read("CHUNK_SIZE_MIB", parsers.mebibytes(1, 10_240), "64"),
            retry_attempts=env.read("RETRY_ATTEMPTS", parsers.whole_number(1, 100), "5"),
            # With none the tries would follow upon each other; an hour is longer than anybody means.
            retry_base_seconds=env.read("RETRY_BASE_SECONDS", parsers.seconds(0.001, 3600), "1"),
            retry_max_seconds=env.read("RETRY_MAX_SECONDS", parsers.seconds(0.001, 3600), "60"),
            # Our brokers take a message away after a day, and what moves at a slice's end may come to its own.
            slice_seconds=env.read("SLICE_SECONDS", parsers.seconds(0.001, 12 * 3600), "600"),
            # Within none no acknowledgement leaves.
            shutdown_grace_seconds=env.read("SHUTDOWN_GRACE_SECONDS", parsers.seconds(1, 3600), "25"),
            revoke_when_done=env.read("REVOKE_WHEN_DONE", parsers.boolean, "false"),
        )
        env.problems += settings._find_contradictions()
        env.raise_problems()
        return settings

    def _find_contradictions(self) -> Iterator[str]:
        """Yield what is right alone and wrong together; what is wrong alone is None here."""
        if (self.jobs or 1) * (self.photos or 1) > MAX_PHOTOS:
            yield f"WORKER_PHOTOS times WORKER_JOBS must be {MAX_PHOTOS} at most: each takes three threads"
        base, longest = self.retry_base_seconds, self.retry_max_seconds
        if base and longest and base > longest:
            yield "RETRY_BASE_SECONDS must not be more than RETRY_MAX_SECONDS: delays grow from one to the other"


def _show(value: object) -> object:
    """Return a setting as JSON has it; what is no plain value shows itself, which a secret does not."""
    if isinstance(value, tuple | Mapping):
        return [_show(each) for each in value]
    return value if isinstance(value, str | int | float | None) else repr(value)


def _read_common(env: Environment, clouds: CloudVariables) -> dict[str, Any]:
    policy = NetworkPolicy(
        allow_private=env.read("ALLOW_LOCAL_NETWORK", parsers.boolean, "false"),
        ca_bundle=env.read("CA_BUNDLE", parsers.certificate_file) if env.is_set("CA_BUNDLE") else None,
    )
    offered = {name: env.read_cloud(variables, policy) for name, variables in clouds.items()}
    return {
        "rabbitmq_url": env.read_secret("RABBITMQ_URL", parsers.broker_url),
        "sealer": env.read_secret("SECRET_KEYS", parsers.sealing_keys),
        "gallery_base_url": env.read("GALLERY_BASE_URL", parsers.base_url(policy), "https://app.litegallery.io"),
        "network": policy,
        "log_level": env.read("LOG_LEVEL", parsers.one_of("DEBUG", "INFO", "WARNING", "ERROR"), "INFO"),
        "log_format": env.read("LOG_FORMAT", parsers.one_of("json", "text"), "json"),
        "clouds": {name: settings for name, settings in offered.items() if settings},
        "warnings": tuple(lint_environment(env.environ, NAMES, SECRET_NAMES, clouds)),
    }


def load_environment(dotenv: Path = Path(".env")) -> dict[str, str]:
    """Return the variables of a `.env` file and of the process; the process's own win."""
    from_file = {name: value for name, value in dotenv_values(dotenv).items() if value is not None}
    return {**from_file, **os.environ}


def allow_oauthlib_http() -> None:
    """Allow oauthlib plain http, for ALLOW_LOCAL_NETWORK only; it takes that from the environment and nowhere else."""
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
