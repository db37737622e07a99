"""Single variables of the environment: each read, checked, and named when it is wrong. Knows no setting's meaning."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from common.sealing import Sealer, Secret
from common.signing import decode_secret

T = TypeVar("T")


class WrongSetting(ValueError):
    """A variable is missing or wrong; the message names it and never shows a secret."""


@dataclass(frozen=True)
class Variable:
    """A variable that a cloud wants from the environment.

    Args:
        name: as in the environment.
        default: used when it is not set; None: a secret without which the cloud is not offered.
    """

    name: str
    default: str | None = None


CloudSettings = Mapping[str, Secret]


class Environment:
    """Reads single variables and names the one that is wrong. An empty variable counts as not set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str | None) -> str:
        """Return a text, or the default; raises WrongSetting when there is neither."""
        value = self._environ.get(name, "").strip() or default
        if value is None:
            raise WrongSetting(f"{name} is required")
        return value

    def integer(self, name: str, default: int, *, least: int, most: int | None = None) -> int:
        """Return a whole number within its bounds."""
        value = self._convert(name, str(default), int, "a whole number")
        if value < least or (most is not None and value > most):
            raise WrongSetting(f"{name} must be at least {least}" + (f" and at most {most}" if most else ""))
        return value

    def seconds(self, name: str, default: float) -> float:
        """Return a number of seconds, fractions allowed."""
        value = self._convert(name, str(default), float, "a number of seconds")
        if not 0 <= value < float("inf"):
            raise WrongSetting(f"{name} must be a number of seconds, zero or more")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        words = {
            "true": True,
            "1": True,
            "yes": True,
            "on": True,
            "false": False,
            "0": False,
            "no": False,
            "off": False,
        }
        value = words.get(self.text(name, str(default)).lower())
        if value is None:
            raise WrongSetting(f"{name} must be true or false")
        return value

    def choice(self, name: str, default: str, words: Sequence[str]) -> str:
        """Return one of a few words, in their own case."""
        value = self.text(name, default).lower()
        for word in words:
            if word.lower() == value:
                return word
        raise WrongSetting(f"{name} must be one of {', '.join(words)}")

    def base_url(self, name: str, default: str | None, *, local: bool) -> str:
        """Return a URL that paths are put after, without its last slash; otherwise as `url`."""
        return self.url(name, default, local=local).rstrip("/")

    def url(self, name: str, default: str | None, *, local: bool) -> str:
        """Return a URL: https, or also http when the local network is allowed."""
        value = self.text(name, default)
        parts = self._convert(name, value, _split, "a URL")
        if parts.scheme not in ({"http", "https"} if local else {"https"}) or not parts.hostname:
            raise WrongSetting(f"{name} must be an https URL" + (" (or http)" if local else ""))
        if parts.username or parts.password or parts.query or parts.fragment:
            raise WrongSetting(f"{name} must be a plain URL: no user, query or fragment")
        return value

    def file(self, name: str) -> str | None:
        """Return the path of a file that can be read, or None when the variable is not set."""
        value = self._environ.get(name, "").strip()
        if value and not os.access(value, os.R_OK):
            raise WrongSetting(f"{name} names a file that cannot be read")
        return value or None

    def secret(self, name: str, default: str | None = None) -> Secret:
        """Return a secret, from the variable or from the file that `<name>_FILE` names."""
        path = self.file(f"{name}_FILE")
        if path and self._environ.get(name):
            raise WrongSetting(f"{name} and {name}_FILE are both set")
        if not path:
            return Secret(self.text(name, default))
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            raise WrongSetting(f"{name}_FILE names a file that holds no text") from None
        if not text:
            raise WrongSetting(f"{name}_FILE names an empty file")
        return Secret(text)

    def broker(self, name: str) -> Secret:
        """Return the broker's URL."""
        url = self.secret(name)
        try:
            parts = _split(url.reveal())
        except ValueError:
            parts = None
        if not parts or parts.scheme not in ("amqp", "amqps") or not parts.hostname:
            raise WrongSetting(f"{name} must be an amqp:// or amqps:// URL")
        return url

    def hosts(self, name: str, default: str) -> tuple[str, ...]:
        """Return patterns of host names, see `common.links.host_matches`; there must be one at least."""
        hosts = tuple(host.lower() for host in split_words(self.text(name, default)))
        if not hosts or not all(_HOST.fullmatch(host) for host in hosts):
            raise WrongSetting(f"{name} must be host names without scheme or port, like x.example,*.y.example")
        return hosts

    def sealer(self, name: str) -> Sealer:
        """Return a sealer with the keys of a comma-separated variable."""
        try:
            return Sealer([Secret(key) for key in split_words(self.secret(name).reveal())])
        except WrongSetting:
            raise
        except ValueError as error:
            raise WrongSetting(f"{name}: {error}") from None

    def signing_secrets(self, name: str) -> tuple[Secret, ...]:
        """Return the secrets of a comma-separated variable that may be left out."""
        if not (self._environ.get(name, "").strip() or self._environ.get(f"{name}_FILE", "").strip()):
            return ()
        secrets = split_words(self.secret(name).reveal())
        try:
            for secret in secrets:
                decode_secret(secret)
        except ValueError as error:
            raise WrongSetting(f"{name}: {error}") from None
        return tuple(Secret(secret) for secret in secrets)

    def cloud(self, wanted: Sequence[Variable], *, local: bool) -> CloudSettings | None:
        """Return what a cloud wants, by the variables' names; None when none of its required ones is set."""
        required = [variable for variable in wanted if variable.default is None]
        missing = [v.name for v in required if not (self._environ.get(v.name) or self._environ.get(f"{v.name}_FILE"))]
        if len(missing) == len(required):
            return None
        if missing:
            raise WrongSetting(f"{missing[0]} is required when the cloud's other variables are set")
        return {
            v.name: self.secret(v.name) if v.default is None else Secret(self.base_url(v.name, v.default, local=local))
            for v in wanted
        }

    def _convert(self, name: str, default: str, convert: Callable[[str], T], kind: str) -> T:
        try:
            return convert(self.text(name, default))
        except WrongSetting:
            raise
        except ValueError:
            raise WrongSetting(f"{name} must be {kind}") from None


# A host name or an address, with `*.` before it for its subdomains; or `*` alone.
_HOST = re.compile(r"\*|(\*\.)?[^*:/?#@\s]+|[0-9a-f.]*:[0-9a-f.]*:[0-9a-f.:]*")


def _split(url: str) -> SplitResult:
    """Split a URL; raises ValueError also for a port that is none."""
    parts = urlsplit(url)
    _ = parts.port
    return parts


def split_words(words: str) -> tuple[str, ...]:
    """Return the words of a comma-separated text."""
    return tuple(word.strip() for word in words.split(",") if word.strip())
