"""Single variables of the environment: each read, checked, and named when it is wrong. Knows no setting's meaning."""

import ipaddress
import os
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import SplitResult, urlsplit

from common.crypto.sealing import Sealer, Secret
from common.crypto.signing import decode_secret
from common.http.network_policy import NetworkPolicy

T = TypeVar("T")


class WrongSetting(ValueError):
    """Variables are missing or wrong; the message names them and never shows a secret.

    Args:
        problems: one line for each; each begins with the variable's name and says what would be right.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Asking:
    """Reads many variables and remembers what is wrong with any, so that all of it is told at once."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def __call__(self, read: Callable[[], T]) -> T:
        """Return what was read; nothing that can be used when it is wrong: then `end` raises."""
        try:
            return read()
        except WrongSetting as wrong:
            self.problems += wrong.problems
            return cast(T, None)

    def end(self) -> None:
        """Raise WrongSetting when anything was wrong."""
        if self.problems:
            raise WrongSetting(*dict.fromkeys(self.problems))


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
        self.environ = environ

    def _has(self, name: str) -> bool:
        return bool(self.environ.get(name, "").strip())

    def text(self, name: str, default: str | None) -> str:
        """Return a text, or the default; raises WrongSetting when there is neither."""
        value = self.environ.get(name, "").strip() or default
        if value is None:
            raise WrongSetting(f"{name} is required")
        return value

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number within its bounds."""
        text = self.text(name, str(default))
        value = int(text) if _WHOLE.fullmatch(text) else least - 1
        if not least <= value <= most:
            raise WrongSetting(f"{name} must be a whole number from {least} to {most}{_explain(text)}")
        return value

    def seconds(self, name: str, default: float, *, least: float, most: float) -> float:
        """Return a number of seconds within its bounds, fractions allowed."""
        text = self.text(name, str(default))
        value = float(text) if _DECIMAL.fullmatch(text) else least - 1
        if not least <= value <= most:
            raise WrongSetting(f"{name} must be a number of seconds from {least:g} to {most:g}, like 2 or 0.5")
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

    def base_url(self, name: str, default: str | None, *, policy: NetworkPolicy, path: bool = True) -> str:
        """Return a URL that paths are put after, without its last slash; otherwise as `url`.

        Args:
            name: of the variable.
            default: when it is not set.
            policy: whether plain http will do.
            path: whether it may have one itself.
        """
        url = self.url(name, default, policy=policy).rstrip("/")
        if not path and urlsplit(url).path:
            raise WrongSetting(f"{name} must have no path: ours is added to it, and the ingress hands on nothing else")
        return url

    def url(self, name: str, default: str | None, *, policy: NetworkPolicy) -> str:
        """Return a URL: https, or also http when the local network is allowed."""
        value = self.text(name, default)
        kind = "an https URL" + (" (or http)" if policy.allow_private else "") + ", like https://host.example"
        parts = _split(value)
        if not parts or parts.scheme not in policy.schemes or not _is_host(parts):
            raise WrongSetting(f"{name} must be {kind}")
        if "@" in parts.netloc or "?" in value or "#" in value:
            raise WrongSetting(f"{name} must be a plain URL: no user, query or fragment")
        return value

    def file(self, name: str) -> str | None:
        """Return the path of a file that can be read, or None when the variable is not set."""
        value = self.environ.get(name, "").strip()
        if value and not _is_readable(value):
            raise WrongSetting(f"{name} names a file that cannot be read")
        return value or None

    def authorities(self, name: str) -> str | None:
        """Return the path of a PEM file with certificates, or None when the variable is not set."""
        path = self.file(name)
        if path and not _holds_certificates(path):
            raise WrongSetting(f"{name} names a file without certificates of authorities in PEM")
        return path

    def secret(self, name: str, default: str | None = None) -> Secret:
        """Return a secret, from the variable or from the file that `<name>_FILE` names."""
        path = self.file(f"{name}_FILE")
        if path and self._has(name):
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
        scheme, _, rest = url.reveal().partition("://")
        # Where somebody meant the user and the password to end: a browser, and every library, ends them earlier.
        meant, at, _ = rest.rpartition("@")
        if scheme in ("amqp", "amqps") and at and not _USERINFO.fullmatch(meant):
            raise WrongSetting(
                f"{name} must have its user and password percent-encoded: # is %23, / is %2F, ? is %3F, @ is %40, "
                "% is %25, [ is %5B, a blank is %20"
            )
        parts = _split(url.reveal())
        if not parts or parts.scheme not in ("amqp", "amqps") or not _is_host(parts) or "#" in url.reveal():
            raise WrongSetting(f"{name} must be an amqp:// or amqps:// URL, like amqp://user:password@host:5672/vhost")
        if parts.path.count("/") > 1:
            raise WrongSetting(f"{name} must name one virtual host: a / in its name is written %2F")
        for option in filter(None, parts.query.split("&")):
            if not _BROKER_OPTION.fullmatch(option):
                raise WrongSetting(
                    f"{name} has an option that is none, or whose value is no number: "
                    "https://pika.readthedocs.io/en/stable/modules/parameters.html#pika.connection.URLParameters"
                )
        return url

    def networks(self, name: str, default: str) -> str:
        """Return addresses and networks, comma-separated, or `*` for any."""
        words = split_words(self.text(name, default))
        try:
            for word in words:
                _ = word == "*" or ipaddress.ip_network(word)
        except ValueError:
            words = ()
        if not words:
            raise WrongSetting(f"{name} must be addresses or networks, like 127.0.0.1,10.0.0.0/8, or * alone")
        return ",".join(words)

    def listener(self, name: str, default: str) -> str:
        """Return an address or a name of this machine to listen at, without a port."""
        value = self.text(name, default)
        if not _HOST.fullmatch(value.lower()) or "*" in value:
            raise WrongSetting(
                f"{name} must be an address of this machine without a port, like 0.0.0.0, :: or 127.0.0.1"
            )
        return value

    def hosts(self, name: str, default: str) -> tuple[str, ...]:
        """Return patterns of host names, see `common.http.urls.host_matches`; there must be one at least."""
        hosts = tuple(host.lower() for host in split_words(self.text(name, default)))
        if not hosts or not all(_HOST.fullmatch(host) for host in hosts):
            raise WrongSetting(
                f"{name} must be host names without scheme or port, like x.example,*.y.example; "
                "a name in other letters stands in its xn-- form"
            )
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
        if not (self._has(name) or self._has(f"{name}_FILE")):
            return ()
        secrets = split_words(self.secret(name).reveal())
        try:
            for secret in secrets:
                decode_secret(secret)
        except ValueError as error:
            raise WrongSetting(f"{name}: {error}") from None
        return tuple(Secret(secret) for secret in secrets)

    def cloud(self, wanted: Sequence[Variable], *, policy: NetworkPolicy) -> CloudSettings | None:
        """Return what a cloud wants, by the variables' names; None when none of its required ones is set."""
        required = [variable for variable in wanted if variable.default is None]
        missing = [v.name for v in required if not (self._has(v.name) or self._has(f"{v.name}_FILE"))]
        if len(missing) == len(required):
            return None
        if missing:
            raise WrongSetting(f"{missing[0]} is required when the cloud's other variables are set")
        return {
            v.name: self.secret(v.name)
            if v.default is None
            else Secret(self.base_url(v.name, v.default, policy=policy))
            for v in wanted
        }


# As people write numbers: Python would also take 1_000, digits of any script, nan and 1e9.
_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)
# What may stand before the @ of a URL: RFC 3986, section 3.2.1.
_USERINFO = re.compile(r"([\w.~!$&'()*+,;=:-]|%[0-9a-fA-F]{2})*", re.ASCII)
# What the broker's library takes after the ?. Those that are no numbers it reads itself.
_BROKER_OPTION = re.compile(
    r"(heartbeat|connection_attempts|channel_max|frame_max|retry_delay|socket_timeout|stack_timeout|"
    r"blocked_connection_timeout)=[1-9][0-9]{0,5}|heartbeat=0|(ssl_options|tcp_options|client_properties|locale)=.+",
    re.ASCII,
)
# A host name or an address, with `*.` before it for its subdomains; or `*` alone.
_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
_HOST = re.compile(rf"\*|(\*\.)?{_LABEL}(\.{_LABEL})*|[0-9a-f.]*:[0-9a-f.]*:[0-9a-f.:]*", re.ASCII)
_PRINTABLE = re.compile(r"[!-~]+", re.ASCII)


def _holds_certificates(path: str) -> bool:
    try:
        return bool(ssl.create_default_context(cafile=path).get_ca_certs())
    except (OSError, ValueError):  # an SSLError is an OSError
        return False


def _is_readable(path: str) -> bool:
    try:
        return os.access(path, os.R_OK)
    except ValueError:  # a .env may hold what no path can: a zero byte, half a character
        return False


def _explain(text: str) -> str:
    """Say where a value comes from that nobody wrote."""
    if re.match(r"(tcp|udp|sctp)://", text):
        return "; this one is what Kubernetes tells of a Service of that name: enableServiceLinks: false"
    return ""


def _split(url: str) -> SplitResult | None:
    """Split a URL; return None for what is none, also when only its port is none."""
    if not _PRINTABLE.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        return None if parts.port == 0 or parts.netloc.endswith(":") else parts
    except ValueError:
        return None


def _is_host(parts: SplitResult) -> bool:
    return bool(parts.hostname and _HOST.fullmatch(parts.hostname) and "*" not in parts.hostname)


def split_words(words: str) -> tuple[str, ...]:
    """Return the words of a comma-separated text."""
    return tuple(word.strip() for word in words.split(",") if word.strip())
