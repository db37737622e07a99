"""`python -m tools.doctor`: check a deployment's settings and the services it depends on.

Prints one line for each check; exit status 1 if any failed. Reads the settings as the services do (in an image, as the
one that is there does), then asks the servers that they will ask. Changes nothing anywhere, shows no secret.
"""

import ipaddress
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from typing import NamedTuple
from urllib.parse import urlsplit

from common.clouds import CLOUDS, advise_on_refusal
from common.clouds.base import Cloud
from common.clouds.grant import Grant
from common.config import parsers
from common.config.env import CloudSettings, Environment, WrongSetting
from common.config.settings import (
    CommonSettings,
    WebSettings,
    WorkerSettings,
    allow_oauthlib_http,
    load_environment,
)
from common.crypto.sealing import Sealer, Secret
from common.errors import ArchiveError, GrantRevoked, Reason, Refused
from common.http.client import HttpClient
from common.messages.publisher import Publisher
from common.telemetry import logs

SERVICES: Mapping[str, type[WebSettings] | type[WorkerSettings]] = {"web": WebSettings, "worker": WorkerSettings}
# What to do about a variable that is missing; of one that is wrong its parser says what would be right.
_CURES = {
    "RABBITMQ_URL is required": "give the broker's address, like amqp://user:password@host:5672/vhost",
    "SECRET_KEYS is required": "python -m tools.make_key prints one; both services need the same",
    "PUBLIC_BASE_URL is required": "give web's address as browsers see it, like https://app.litegallery.io",
}
# A key of our own examples protects nothing from anybody who has read them.
_EXAMPLE_KEYS = ("A" * 43,)


class Finding(NamedTuple):
    """The result of one check.

    Args:
        is_right: whether it passed.
        what: was checked.
        message: one line about it.
    """

    is_right: bool
    what: str
    message: str


def examine(environ: Mapping[str, str], services: Sequence[str] = tuple(SERVICES)) -> list[Finding]:
    """Check everything that a deployment with these variables needs.

    Args:
        environ: the variables, as from `load_environment`.
        services: those that get them.
    """
    variables = {cloud.name: cloud.variables for cloud in CLOUDS}
    problems: dict[str, None] = {}
    read: list[WebSettings | WorkerSettings] = []
    for service in services:
        try:
            read.append(SERVICES[service].read(environ, variables))
        except WrongSetting as error:
            problems.update(dict.fromkeys(error.problems))
    if problems:
        return [*(Finding(False, "settings", _add_cure(each)) for each in problems), *_check_broker_alone(environ)]
    if read[0].network.allow_private:
        allow_oauthlib_http()
    http = HttpClient(connections=1, policy=read[0].network, reason=Reason.TRY_LATER)
    return [
        Finding(True, "settings", f"{' and '.join(services)} take{'s' * (len(services) == 1)} them"),
        *(Finding(False, "settings", warning) for warning in read[0].warnings),
        *_check_shared(read[0], http),
        *(finding for each in read for finding in _check_own(each, http)),
    ]


def find_services() -> tuple[str, ...]:
    """Return the services that are here: an image holds one, a checkout both."""
    return tuple(name for name in SERVICES if find_spec(name)) or tuple(SERVICES)


def _add_cure(problem: str) -> str:
    return f"{problem}: {_CURES[problem]}" if problem in _CURES else problem


def _check_broker_alone(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Ask the broker also when other settings are wrong: whoever mends them wants to know the rest."""
    environment = Environment(environ)
    url = environment.read_secret("RABBITMQ_URL", parsers.broker_url)
    if not environment.problems:
        yield check_broker(url)


def _check_shared(settings: CommonSettings, http: HttpClient) -> Iterator[Finding]:
    yield _check_network(settings)
    yield _check_keys(settings.sealer)
    yield check_broker(settings.rabbitmq_url)
    gallery = settings.gallery_base_url
    yield _attempt(
        "gallery", f"{gallery} answers", lambda: _ask(http, "GET", gallery + "/"), partial(_describe_at, gallery)
    )
    if not settings.clouds:
        yield Finding(False, "clouds", "none is configured: every request will be refused; give a client id and secret")
    for cloud in CLOUDS:
        if cloud.name in settings.clouds:
            yield _check_client(cloud, settings.clouds[cloud.name], http)


def _check_own(settings: WebSettings | WorkerSettings, http: HttpClient) -> Iterator[Finding]:
    if isinstance(settings, WebSettings):
        yield from (_check_redirect_uri(name, settings) for name in settings.clouds)
    else:
        yield _check_done_call(settings, http)


def _check_network(settings: CommonSettings) -> Finding:
    if settings.network.allow_private:
        return Finding(False, "network", "ALLOW_LOCAL_NETWORK is on: for the sandbox and tests only")
    return Finding(True, "network", "https and public addresses only")


def _check_keys(sealer: Sealer) -> Finding:
    for key in _EXAMPLE_KEYS:
        mac = Sealer([Secret(key)]).mac(b"doctor", "doctor")
        if sealer.verify_mac(mac, b"doctor", "doctor"):
            return Finding(
                False,
                "keys",
                "SECRET_KEYS holds a key of the examples; `python -m tools.make_key` prints a fresh one",
            )
    return Finding(True, "keys", "sane")


def check_broker(url: Secret) -> Finding:
    """Check that the broker can be reached, and that its queues are those of this version.

    Args:
        url: of the broker.
    """
    publisher = Publisher(url, "doctor")
    try:
        return _attempt("broker", "lets us in, and its queues are those of this version", publisher.check)
    finally:
        publisher.close()


def _ask(http: HttpClient, method: str, url: str) -> None:
    # Whatever it answers, it is there; no list is asked for, and nothing is told.
    http.open(method, url).close()


def _check_done_call(settings: WorkerSettings, http: HttpClient) -> Finding:
    signed = "signed" if settings.done_signing_secrets else "not signed, since DONE_SIGNING_SECRET is not set"
    told = f"goes to {settings.done_url}, whose host answers; {signed}"
    # By HEAD: a POST would tell of an archive that is none. What a path for POST alone answers to it says nothing.
    return _attempt(
        "done call", told, lambda: _ask(http, "HEAD", settings.done_url), partial(_describe_at, settings.done_url)
    )


def _check_client(cloud: Cloud, variables: CloudSettings, http: HttpClient) -> Finding:
    def ask() -> None:
        # A cloud that knows our client calls a permission that was never given revoked.
        with suppress(GrantRevoked):
            cloud.auth(variables, http).refresh(Grant(Secret("doctor"), Secret(""), 0.0))

    def describe(error: ArchiveError) -> str:
        return advise_on_refusal(cloud.name, error.detail) if isinstance(error, Refused) else _describe(error)

    return _attempt(cloud.name, f"{cloud.title} knows the client", ask, describe)


def _check_redirect_uri(cloud: str, settings: WebSettings) -> Finding:
    uri = f"{settings.public_base_url}/cloud_archive/callback/{cloud}"
    problem = _find_problem(settings.public_base_url)
    return Finding(not problem, "redirect URI", f"{uri} {problem or 'must be registered, byte for byte'}")


def _find_problem(base_url: str) -> str:
    """Return why clouds will refuse our address; empty when they will not.

    https://developers.google.com/identity/protocols/oauth2/web-server#uri-validation
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if host in ("localhost", "127.0.0.1"):
        return ""
    if parts.scheme != "https":
        return "is refused by the clouds: it must be https"
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return "is refused by the clouds: it names an address, not a host"
    return "" if "." in host else "is refused by the clouds: its host is no public name"


def _describe(error: ArchiveError) -> str:
    return error.detail or str(error.reason)


def _describe_at(address: str, error: ArchiveError) -> str:
    return f"{address}: {_describe(error)}"


def _attempt(
    what: str, message: str, ask: Callable[[], None], describe: Callable[[ArchiveError], str] = _describe
) -> Finding:
    try:
        ask()
    except ArchiveError as error:
        return Finding(False, what, describe(error))
    return Finding(True, what, message)


def main(arguments: Sequence[str] = ()) -> int:
    """Print the findings; return the exit status."""
    if arguments:
        print("usage: python -m tools.doctor (no arguments)", file=sys.stderr)
        return 2
    logs.configure("ERROR", "text")
    findings = examine(load_environment(), find_services())
    for finding in findings:
        print(f"{'ok   ' if finding.is_right else 'WRONG'} {finding.what}: {finding.message}")
    return 0 if all(finding.is_right for finding in findings) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
