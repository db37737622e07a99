"""`python -m tools.doctor`: check a deployment's settings and the services it depends on.

Prints one line for each check; exit status 1 if any failed. Reads the settings as both services do, then asks the
servers that they will ask. Changes nothing anywhere, shows no secret.
"""

import ipaddress
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from common.clouds import CLOUDS
from common.clouds.base import Cloud
from common.clouds.grant import Grant
from common.config.env import CloudSettings, WrongSetting
from common.config.settings import WebSettings, WorkerSettings, allow_oauthlib_http, load_environment
from common.crypto.sealing import Sealer, Secret
from common.errors import ArchiveError, GrantRevoked, Reason
from common.http.client import HttpClient
from common.messages.publisher import Publisher

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


def examine(environ: Mapping[str, str]) -> list[Finding]:
    """Check everything that a deployment with these variables needs.

    Args:
        environ: the variables, as from `load_environment`.
    """
    variables = {cloud.name: cloud.variables for cloud in CLOUDS}
    problems: dict[str, None] = {}
    for service in (WebSettings, WorkerSettings):
        try:
            service.read(environ, variables)
        except WrongSetting as error:
            problems.update(dict.fromkeys(error.problems))
    if problems:
        return [Finding(False, "settings", problem) for problem in problems]
    web, worker = WebSettings.read(environ, variables), WorkerSettings.read(environ, variables)
    if web.network.allow_private:
        allow_oauthlib_http()
    http = HttpClient(connections=1, policy=web.network, reason=Reason.TRY_LATER)
    return [
        Finding(True, "settings", "both services take them"),
        *(Finding(False, "settings", warning) for warning in web.warnings),
        _check_network(web),
        _check_keys(web.sealer),
        check_broker(web.rabbitmq_url),
        _attempt("gallery", f"{web.gallery_base_url} answers", lambda: _ask_gallery(http, web.gallery_base_url)),
        _describe_done_call(worker),
        *_check_clouds(web, http),
    ]


def _check_network(settings: WebSettings) -> Finding:
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
        return _attempt("broker", "reachable, the topology is declared", publisher.check)
    finally:
        publisher.close()


def _ask_gallery(http: HttpClient, base_url: str) -> None:
    # Whatever it answers at its root, it is there; its lists are not asked for.
    http.open("GET", base_url + "/").close()


def _describe_done_call(settings: WorkerSettings) -> Finding:
    signed = "signed" if settings.done_signing_secrets else "not signed, since DONE_SIGNING_SECRET is not set"
    return Finding(True, "done call", f"goes to {settings.done_url}, {signed}")


def _check_clouds(settings: WebSettings, http: HttpClient) -> list[Finding]:
    if not settings.clouds:
        return [Finding(False, "clouds", "none is configured: every request will be refused")]
    offered = [(cloud, settings.clouds[cloud.name]) for cloud in CLOUDS if cloud.name in settings.clouds]
    clients = [_check_client(cloud, variables, http) for cloud, variables in offered]
    return [*clients, *(_check_redirect_uri(cloud.name, settings) for cloud, _ in offered)]


def _check_client(cloud: Cloud, variables: CloudSettings, http: HttpClient) -> Finding:
    def ask() -> None:
        # A cloud that knows our client calls a permission that was never given revoked.
        with suppress(GrantRevoked):
            cloud.auth(variables, http).refresh(Grant(Secret("doctor"), Secret(""), 0.0))

    return _attempt(cloud.name, f"{cloud.title} knows the client", ask)


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


def _attempt(what: str, message: str, ask: Callable[[], None]) -> Finding:
    try:
        ask()
    except ArchiveError as error:
        return Finding(False, what, error.detail or str(error.reason))
    return Finding(True, what, message)


def main(arguments: Sequence[str] = ()) -> int:
    """Print the findings; return the exit status."""
    if arguments:
        print("usage: python -m tools.doctor (no arguments)", file=sys.stderr)
        return 2
    findings = examine(load_environment())
    for finding in findings:
        print(f"{'ok   ' if finding.is_right else 'WRONG'} {finding.what}: {finding.message}")
    return 0 if all(finding.is_right for finding in findings) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
