"""Parsers of settings: each takes a variable's text and returns its value.

A parser raises ValueError with what would be right; the message goes after the variable's name ("WEB_PORT must be …")
and never repeats the text, which may be a secret.
"""

import ipaddress
import os
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from common.crypto.sealing import Sealer, Secret
from common.crypto.signing import decode_secret
from common.http.network_policy import NetworkPolicy

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
# What Kubernetes sets for a Service of the same name: enableServiceLinks in a pod's spec.
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def whole_number(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return a parser of whole numbers within bounds, which belong to them."""

    def parse(text: str) -> int:
        value = int(text) if _WHOLE.fullmatch(text) else minimum - 1
        if minimum <= value <= maximum:
            return value
        hint = "; this one is what Kubernetes tells of a Service of that name: enableServiceLinks: false"
        raise ValueError(
            f"must be a whole number from {minimum} to {maximum}{hint if _SERVICE_ADDRESS.match(text) else ''}"
        )

    return parse


def mebibytes(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return a parser of whole numbers of MiB within bounds; it returns bytes."""
    parse = whole_number(minimum, maximum)
    return lambda text: parse(text) * 1024 * 1024


def seconds(minimum: float, maximum: float) -> Callable[[str], float]:
    """Return a parser of seconds within bounds, fractions allowed."""

    def parse(text: str) -> float:
        value = float(text) if _DECIMAL.fullmatch(text) else minimum - 1
        if minimum <= value <= maximum:
            return value
        raise ValueError(f"must be a number of seconds from {minimum:g} to {maximum:g}, like 2 or 0.5")

    return parse


def boolean(text: str) -> bool:
    """Return true or false."""
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise ValueError("must be true or false")
    return value


def one_of(*words: str) -> Callable[[str], str]:
    """Return a parser of a few words in any case; it returns them in the case given here."""

    def parse(text: str) -> str:
        for word in words:
            if word.lower() == text.lower():
                return word
        raise ValueError(f"must be one of {', '.join(words)}")

    return parse


def web_url(policy: NetworkPolicy) -> Callable[[str], str]:
    """Return a parser of URLs: https, or also http when the policy allows it."""

    def parse(text: str) -> str:
        parts = _split_url(text)
        if not parts or parts.scheme not in policy.schemes or not _has_host(parts):
            alternative = " (or http)" if "http" in policy.schemes else ""
            raise ValueError(f"must be an https URL{alternative}, like https://host.example")
        if "@" in parts.netloc or "?" in text or "#" in text:
            raise ValueError("must be a plain URL: no user, query or fragment")
        return text

    return parse


def base_url(policy: NetworkPolicy, *, path: bool = True) -> Callable[[str], str]:
    """Return a parser of URLs that paths are put after; it returns them without a slash at the end.

    Args:
        policy: whether plain http will do.
        path: whether the URL may have one itself.
    """
    parse_url = web_url(policy)

    def parse(text: str) -> str:
        url = parse_url(text).rstrip("/")
        if not path and urlsplit(url).path:
            raise ValueError("must have no path: ours is added to it, and the ingress hands on nothing else")
        return url

    return parse


def broker_url(text: str) -> Secret:
    """Return the URL of a RabbitMQ: https://www.rabbitmq.com/docs/uri-spec."""
    scheme, _, rest = text.partition("://")
    # Where the user and the password were meant to end: a browser, and every library, ends them at the first of / ? #.
    meant, at, _ = rest.rpartition("@")
    if scheme in ("amqp", "amqps") and at and not _USERINFO.fullmatch(meant):
        raise ValueError(
            "must have its user and password percent-encoded: # is %23, / is %2F, ? is %3F, @ is %40, % is %25, "
            "[ is %5B, a blank is %20"
        )
    parts = _split_url(text)
    if not parts or parts.scheme not in ("amqp", "amqps") or not _has_host(parts) or "#" in text:
        raise ValueError("must be an amqp:// or amqps:// URL, like amqp://user:password@host:5672/vhost")
    if parts.path.count("/") > 1:
        raise ValueError("must name one virtual host: a / in its name is written %2F")
    if not all(_BROKER_OPTION.fullmatch(option) for option in filter(None, parts.query.split("&"))):
        raise ValueError(
            "has an option that is none, or whose value is no number: "
            "https://pika.readthedocs.io/en/stable/modules/parameters.html#pika.connection.URLParameters"
        )
    return Secret(text)


def networks(text: str) -> str:
    """Return addresses and networks, comma-separated, or `*` for any."""
    words = _split_words(text)
    try:
        for word in words:
            _ = word == "*" or ipaddress.ip_network(word)
    except ValueError:
        words = ()
    if not words:
        raise ValueError("must be addresses or networks, like 127.0.0.1,10.0.0.0/8, or * alone")
    return ",".join(words)


def listen_address(text: str) -> str:
    """Return an address or a name of this machine to listen at, without a port."""
    if not _HOST.fullmatch(text.lower()) or "*" in text:
        raise ValueError("must be an address of this machine without a port, like 0.0.0.0, :: or 127.0.0.1")
    return text


def host_patterns(text: str) -> tuple[str, ...]:
    """Return patterns of host names, see `common.http.urls.host_matches`; there must be one at least."""
    hosts = tuple(host.lower() for host in _split_words(text))
    if not hosts or not all(_HOST.fullmatch(host) for host in hosts):
        raise ValueError(
            "must be host names without scheme or port, like x.example,*.y.example; "
            "a name in other letters stands in its xn-- form"
        )
    return hosts


def sealing_keys(text: str) -> Sealer:
    """Return a sealer with comma-separated keys."""
    try:
        return Sealer([Secret(key) for key in _split_words(text)])
    except ValueError as error:
        raise ValueError(f"is wrong: {error}") from None


def signing_secrets(text: str) -> tuple[Secret, ...]:
    """Return comma-separated secrets of Standard Webhooks."""
    secrets = _split_words(text)
    try:
        for secret in secrets:
            decode_secret(secret)
    except ValueError as error:
        raise ValueError(f"is wrong: {error}") from None
    return tuple(Secret(secret) for secret in secrets)


def readable_file(path: str) -> str:
    """Return the path of a file that can be read."""
    try:
        is_readable = os.access(path, os.R_OK)
    except ValueError:  # a .env may hold what no path can: a zero byte, half a character
        is_readable = False
    if not is_readable:
        raise ValueError("names a file that cannot be read")
    return path


def file_content(path: str) -> str:
    """Return the text in a file, without blanks around it; there must be some."""
    try:
        content = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ValueError("names a file that holds no text") from None
    if not content:
        raise ValueError("names an empty file")
    return content


def certificate_file(path: str) -> str:
    """Return the path of a PEM file with certificates of authorities."""
    readable_file(path)
    try:
        has_certificates = bool(ssl.create_default_context(cafile=path).get_ca_certs())
    except (OSError, ValueError):  # an SSLError is an OSError
        has_certificates = False
    if not has_certificates:
        raise ValueError("names a file without certificates of authorities in PEM")
    return path


def _split_words(text: str) -> tuple[str, ...]:
    """Return the words of a comma-separated text."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _split_url(url: str) -> SplitResult | None:
    """Split a URL; return None for what is none, also when only its port is none."""
    if not _PRINTABLE.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        return None if parts.port == 0 or parts.netloc.endswith(":") else parts
    except ValueError:
        return None


def _has_host(parts: SplitResult) -> bool:
    return bool(parts.hostname and _HOST.fullmatch(parts.hostname) and "*" not in parts.hostname)
