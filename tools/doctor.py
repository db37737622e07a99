"""`python -m tools.doctor`: is a deployment set up right? One line for each thing, exit status 1 if one is wrong.

Reads the settings as both services do, then asks whom they will ask. Changes nothing anywhere, shows no secret.
"""

import ipaddress
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
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

# Keys that stand in our own examples seal nothing from anybody who has read them.
_EXAMPLE_KEYS = ("A" * 43,)

Finding = tuple[bool, str, str]
"""Whether it is right, what was looked at, and one line about it."""


def examine(environ: Mapping[str, str]) -> list[Finding]:
    """Look at everything that a deployment with these variables needs.

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
        return [(False, "settings", problem) for problem in problems]
    web, worker = WebSettings.read(environ, variables), WorkerSettings.read(environ, variables)
    if web.network.allow_private:
        allow_oauthlib_http()
    http = HttpClient(connections=1, policy=web.network, reason=Reason.TRY_LATER)
    return [
        (True, "settings", "both services take them"),
        *((False, "settings", doubt) for doubt in web.warnings),
        _local_network(web),
        _keys(web.sealer),
        *ask_broker(web.rabbitmq_url),
        _attempt("gallery", f"{web.gallery_base_url} answers", lambda: _ask_gallery(http, web.gallery_base_url)),
        _done_call(worker),
        *_clouds(web, http),
    ]


def _local_network(settings: WebSettings) -> Finding:
    if settings.network.allow_private:
        return False, "network", "ALLOW_LOCAL_NETWORK is on: for the sandbox and tests only"
    return True, "network", "https and public addresses only"


def _keys(sealer: Sealer) -> Finding:
    for key in _EXAMPLE_KEYS:
        stamp = Sealer([Secret(key)]).mac(b"doctor", "doctor")
        if sealer.verify_mac(stamp, b"doctor", "doctor"):
            return (
                False,
                "keys",
                "SECRET_KEYS holds a key of the examples; `python -m tools.make_key` prints a fresh one",
            )
    return True, "keys", "sane"


def ask_broker(url: Secret) -> list[Finding]:
    """Look at the broker: whether it can be reached, and whether its queues are those of this version.

    Args:
        url: of the broker.
    """
    publisher = Publisher(url, "doctor")
    try:
        return [_attempt("broker", "reachable, the topology is declared", publisher.check)]
    finally:
        publisher.close()


def _ask_gallery(http: HttpClient, base_url: str) -> None:
    # Whatever it answers at its root, it is there; its lists are nobody's business here.
    http.open("GET", base_url + "/").close()


def _done_call(settings: WorkerSettings) -> Finding:
    signed = "signed" if settings.done_signing_secrets else "not signed, since DONE_SIGNING_SECRET is not set"
    return True, "done call", f"goes to {settings.done_url}, {signed}"


def _clouds(settings: WebSettings, http: HttpClient) -> list[Finding]:
    if not settings.clouds:
        return [(False, "clouds", "none is configured: every request will be refused")]
    offered = [(cloud, settings.clouds[cloud.name]) for cloud in CLOUDS if cloud.name in settings.clouds]
    asked = [_client(cloud, variables, http) for cloud, variables in offered]
    return [*asked, *(_redirect_uri(cloud.name, settings) for cloud, _ in offered)]


def _client(cloud: Cloud, variables: CloudSettings, http: HttpClient) -> Finding:
    def ask() -> None:
        # Of a permission nobody ever gave, a cloud that knows our client says just that.
        with suppress(GrantRevoked):
            cloud.auth(variables, http).refresh(Grant(Secret("doctor"), Secret(""), 0.0))

    return _attempt(cloud.name, f"{cloud.title} knows the client", ask)


def _redirect_uri(cloud: str, settings: WebSettings) -> Finding:
    uri = f"{settings.public_base_url}/cloud_archive/callback/{cloud}"
    problem = _find_problem(settings.public_base_url)
    return not problem, "redirect URI", f"{uri} {problem or 'must be registered, byte for byte'}"


def _find_problem(base_url: str) -> str:
    """Say what clouds will not like about our address.

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


def _attempt(what: str, right: str, ask: Callable[[], None]) -> Finding:
    try:
        ask()
    except ArchiveError as error:
        return False, what, error.detail or str(error.reason)
    return True, what, right


def main(arguments: Sequence[str] = ()) -> int:
    """Print what was found; return the exit status."""
    if arguments:
        print("usage: python -m tools.doctor (no arguments)", file=sys.stderr)  # noqa: T201 - a command
        return 2
    findings = examine(load_environment())
    for is_right, what, told in findings:
        print(f"{'ok   ' if is_right else 'WRONG'} {what}: {told}")  # noqa: T201 - the command's answer
    return 0 if all(is_right for is_right, _, _ in findings) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
