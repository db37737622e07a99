"""The environment, read once at start into frozen settings. Knows nothing else of the house.

Every process reads its own settings; a wrong or missing value stops it with a message that names the variable and
never shows a secret. What a cloud needs it names itself (`Variable`); without its required ones it is not offered.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from dotenv import dotenv_values

from common.environment import CloudSettings, Environment, Variable
from common.sealing import Sealer, Secret

GALLERY_HOSTS = "*.lite.gallery,*.litegallery.io"


@dataclass(frozen=True, kw_only=True)
class CommonSettings:
    """What both processes read."""

    rabbitmq_url: Secret
    sealer: Sealer
    gallery_base_url: str
    allow_local_network: bool
    ca_bundle: str | None
    log_level: str
    log_format: str
    clouds: Mapping[str, CloudSettings]

    @classmethod
    def _read(cls, env: Environment, clouds: Mapping[str, Sequence[Variable]]) -> dict[str, Any]:
        local = env.flag("ALLOW_LOCAL_NETWORK", default=False)
        return {
            "rabbitmq_url": env.broker("RABBITMQ_URL"),
            "sealer": env.sealer("SECRET_KEYS"),
            "gallery_base_url": env.base_url("GALLERY_BASE_URL", "https://app.litegallery.io", local=local),
            "allow_local_network": local,
            "ca_bundle": env.file("CA_BUNDLE"),
            "log_level": env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
            "log_format": env.choice("LOG_FORMAT", "json", ("json", "text")),
            "clouds": {
                name: settings for name, wanted in clouds.items() if (settings := env.cloud(wanted, local=local))
            },
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
        env = Environment(environ)
        common = cls._read(env, clouds)
        redirect_hosts = env.hosts("REDIRECT_HOSTS", GALLERY_HOSTS)
        return cls(
            **common,
            public_base_url=env.base_url("PUBLIC_BASE_URL", None, local=common["allow_local_network"]),
            redirect_hosts=redirect_hosts,
            cors_hosts=env.hosts("CORS_HOSTS", ",".join(redirect_hosts)),
            rate_limit_per_minute=env.integer("RATE_LIMIT_PER_MINUTE", 60, least=0),
            forwarded_allow_ips=env.text("FORWARDED_ALLOW_IPS", "127.0.0.1"),
            host=env.text("WEB_HOST", "0.0.0.0"),  # noqa: S104 - a container listens on every address
            port=env.integer("WEB_PORT", 8000, least=1, most=65535),
        )


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
        env = Environment(environ)
        common = cls._read(env, clouds)
        local = common["allow_local_network"]
        return cls(
            **common,
            done_url=env.url("DONE_URL", common["gallery_base_url"] + "/cloud_archive/done", local=local),
            done_signing_secrets=env.signing_secrets("DONE_SIGNING_SECRET"),
            photo_hosts=env.hosts("PHOTO_HOSTS", GALLERY_HOSTS),
            port=env.integer("WORKER_PORT", 8001, least=1, most=65535),
            jobs=env.integer("WORKER_JOBS", 4, least=1),
            photos=env.integer("WORKER_PHOTOS", 8, least=1),
            # One request carries a photo whole; only a long video is cut, so that a refused request costs little.
            chunk_bytes=env.integer("CHUNK_SIZE_MIB", 64, least=1) * 1024 * 1024,
            retry_attempts=env.integer("RETRY_ATTEMPTS", 5, least=1),
            retry_base_seconds=env.seconds("RETRY_BASE_SECONDS", 1),
            retry_max_seconds=env.seconds("RETRY_MAX_SECONDS", 60),
            slice_seconds=env.seconds("SLICE_SECONDS", 600),
            shutdown_grace_seconds=env.seconds("SHUTDOWN_GRACE_SECONDS", 25),
            revoke_when_done=env.flag("REVOKE_WHEN_DONE", default=False),
        )


def load_environment(dotenv: Path = Path(".env")) -> dict[str, str]:
    """Return the process's variables over those of a `.env` file: the real ones win."""
    from_file = {name: value for name, value in dotenv_values(dotenv).items() if value is not None}
    return {**from_file, **os.environ}


def let_oauthlib_speak_http() -> None:
    """Let oauthlib reach a cloud by plain http, only for ALLOW_LOCAL_NETWORK; it takes that word from nowhere else."""
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
