"""The environment, read once at start into frozen settings. Knows nothing else of the house.

Every process reads its own settings; a wrong or missing value stops it with a message that names the variable and
never shows a secret. What a cloud needs it names itself (`Variable`); without its required ones it is not offered.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from dotenv import dotenv_values

from common.config.env import Asking, CloudSettings, Environment, Variable, WrongSetting
from common.config.lint import lint_environment
from common.crypto.sealing import Sealer, Secret
from common.http.network_policy import NetworkPolicy

GALLERY_HOSTS = "*.lite.gallery,*.litegallery.io"
# Photos at a time in a whole process: with three threads each and half a MiB of buffers, more is a slip of the pen.
MOST_PHOTOS = 4000
# What both services read; a cloud's variables come from the cloud. Each secret may stand in a file instead.
SECRET_NAMES = ("RABBITMQ_URL", "SECRET_KEYS", "DONE_SIGNING_SECRET")
NAMES = (
    *SECRET_NAMES,
    *("GALLERY_BASE_URL", "DONE_URL", "PUBLIC_BASE_URL", "REDIRECT_HOSTS", "CORS_HOSTS", "PHOTO_HOSTS"),
    *("RATE_LIMIT_PER_MINUTE", "FORWARDED_ALLOW_IPS", "ALLOW_LOCAL_NETWORK", "WEB_HOST", "WEB_PORT", "WORKER_PORT"),
    *("WORKER_JOBS", "WORKER_PHOTOS", "CHUNK_SIZE_MIB", "RETRY_ATTEMPTS", "RETRY_BASE_SECONDS", "RETRY_MAX_SECONDS"),
    *("SLICE_SECONDS", "SHUTDOWN_GRACE_SECONDS", "REVOKE_WHEN_DONE", "CA_BUNDLE", "LOG_LEVEL", "LOG_FORMAT"),
)


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
    # What is set and nobody reads, or what hardly anybody means: told at start.
    warnings: tuple[str, ...]

    @classmethod
    def _read(cls, env: Environment, ask: Asking, clouds: Mapping[str, Sequence[Variable]]) -> dict[str, Any]:
        policy = NetworkPolicy(
            allow_private=bool(ask(lambda: env.flag("ALLOW_LOCAL_NETWORK", default=False))),
            ca_bundle=ask(lambda: env.authorities("CA_BUNDLE")),
        )
        offered = {name: ask(partial(env.cloud, wanted, policy=policy)) for name, wanted in clouds.items()}
        return {
            "rabbitmq_url": ask(lambda: env.broker("RABBITMQ_URL")),
            "sealer": ask(lambda: env.sealer("SECRET_KEYS")),
            "gallery_base_url": ask(
                lambda: env.base_url("GALLERY_BASE_URL", "https://app.litegallery.io", policy=policy)
            ),
            "network": policy,
            "log_level": ask(lambda: env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))),
            "log_format": ask(lambda: env.choice("LOG_FORMAT", "json", ("json", "text"))),
            "clouds": {name: settings for name, settings in offered.items() if settings},
            "warnings": tuple(lint_environment(env.environ, NAMES, SECRET_NAMES, clouds)),
        }


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
    def read(cls, environ: Mapping[str, str], clouds: Mapping[str, Sequence[Variable]]) -> Self:
        """Return `web`'s settings.

        Args:
            environ: the variables, as from `load_environment`.
            clouds: the variables every known cloud wants, by the cloud's name.

        Raises:
            WrongSetting: a variable is missing or wrong.
        """
        env, ask = Environment(environ), Asking()
        common = cls._read(env, ask, clouds)
        policy = common["network"]
        redirect_hosts = ask(lambda: env.hosts("REDIRECT_HOSTS", GALLERY_HOSTS))
        read: dict[str, Any] = {
            "public_base_url": ask(lambda: env.base_url("PUBLIC_BASE_URL", None, policy=policy, path=False)),
            "redirect_hosts": redirect_hosts,
            "cors_hosts": ask(lambda: env.hosts("CORS_HOSTS", ",".join(redirect_hosts or ("*",)))),
            "rate_limit_per_minute": ask(lambda: env.integer("RATE_LIMIT_PER_MINUTE", 60, least=0, most=1_000_000)),
            "forwarded_allow_ips": ask(lambda: env.networks("FORWARDED_ALLOW_IPS", "127.0.0.1")),
            # A container listens on every address.
            "host": ask(lambda: env.listener("WEB_HOST", "0.0.0.0")),  # noqa: S104
            "port": ask(lambda: env.integer("WEB_PORT", 8000, least=1, most=65535)),
        }
        ask.end()
        return cls(**common, **read)


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
    def read(cls, environ: Mapping[str, str], clouds: Mapping[str, Sequence[Variable]]) -> Self:
        """Return `worker`'s settings; arguments and errors as in `WebSettings.read`."""
        env, ask = Environment(environ), Asking()
        common = cls._read(env, ask, clouds)
        policy = common["network"]
        done_url = f"{common['gallery_base_url'] or 'https://gallery.invalid'}/cloud_archive/done"
        read: dict[str, Any] = {
            "done_url": ask(lambda: env.url("DONE_URL", done_url, policy=policy)),
            "done_signing_secrets": ask(lambda: env.signing_secrets("DONE_SIGNING_SECRET")),
            "photo_hosts": ask(lambda: env.hosts("PHOTO_HOSTS", GALLERY_HOSTS)),
            "port": ask(lambda: env.integer("WORKER_PORT", 8001, least=1, most=65535)),
            "jobs": ask(lambda: env.integer("WORKER_JOBS", 4, least=1, most=1000)),
            "photos": ask(lambda: env.integer("WORKER_PHOTOS", 8, least=1, most=256)),
            "chunk_mib": ask(lambda: env.integer("CHUNK_SIZE_MIB", 64, least=1, most=10_240)),
            "retry_attempts": ask(lambda: env.integer("RETRY_ATTEMPTS", 5, least=1, most=100)),
            # With none the tries would follow upon each other; an hour is longer than anybody means.
            "retry_base_seconds": ask(lambda: env.seconds("RETRY_BASE_SECONDS", 1, least=0.001, most=3600)),
            "retry_max_seconds": ask(lambda: env.seconds("RETRY_MAX_SECONDS", 60, least=0.001, most=3600)),
            # Our brokers take a message away after a day, and what moves at a slice's end may come to its own.
            "slice_seconds": ask(lambda: env.seconds("SLICE_SECONDS", 600, least=0.001, most=12 * 3600)),
            # Within none no acknowledgement leaves.
            "shutdown_grace_seconds": ask(lambda: env.seconds("SHUTDOWN_GRACE_SECONDS", 25, least=1, most=3600)),
            "revoke_when_done": ask(lambda: env.flag("REVOKE_WHEN_DONE", default=False)),
        }
        ask(lambda: _check_together(read))
        ask.end()
        chunk_bytes = read.pop("chunk_mib") * 1024 * 1024
        return cls(**common, **read, chunk_bytes=chunk_bytes)


def _check_together(read: Mapping[str, Any]) -> None:
    """Look at what is right alone and wrong together; raises WrongSetting."""
    jobs, photos = read["jobs"] or 1, read["photos"] or 1
    if jobs * photos > MOST_PHOTOS:
        raise WrongSetting(f"WORKER_PHOTOS times WORKER_JOBS must be {MOST_PHOTOS} at most: each takes three threads")
    base, longest = read["retry_base_seconds"], read["retry_max_seconds"]
    if base and longest and base > longest:
        raise WrongSetting(
            "RETRY_BASE_SECONDS must not be more than RETRY_MAX_SECONDS: delays grow from one to the other"
        )


def load_environment(dotenv: Path = Path(".env")) -> dict[str, str]:
    """Return the process's variables over those of a `.env` file: the real ones win."""
    from_file = {name: value for name, value in dotenv_values(dotenv).items() if value is not None}
    return {**from_file, **os.environ}


def allow_oauthlib_http() -> None:
    """Let oauthlib reach a cloud by plain http, only for ALLOW_LOCAL_NETWORK; it takes that word from nowhere else."""
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
