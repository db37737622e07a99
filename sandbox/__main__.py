"""`python -m sandbox`: print the environment that points `web` and `worker` at the stand-ins, then serve."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from sandbox.demo.pages import open_pages
from sandbox.gallery import pictures
from sandbox.world import PORTS, World


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM.

    Args:
        arguments: The command line; None takes the process's own.
    """
    chosen = _parse(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    photos = pictures.album(chosen.photos, chosen.size, chosen.albums)
    world = World(
        photos,
        keep_bytes=chosen.keep_bytes or bool(chosen.web),  # the pages show what arrived
        tls=chosen.tls,
        host=chosen.host,
        public_host=chosen.public_host,
        ports=chosen.ports,
    )
    if chosen.web:
        open_pages(world, chosen.web)
    with world:
        for name, value in world.environment().items():
            print(f"{name}={value}")
        if not chosen.only_print:
            print(f"ARCHIVE_URL={world.archive.url}", flush=True)
            stopped.wait()
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--photos", type=int, default=12, help="photos in the gallery (12)")
    parser.add_argument("--size", type=int, default=300_000, help="bytes of each photo (300000)")
    parser.add_argument("--albums", type=int, default=2, help="folders in the gallery (2)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--public-host", default="", help="name others reach it by (the address)")
    parser.add_argument(
        "--ports",
        type=_read_ports,
        default=(0,) * len(PORTS),
        help=f"{','.join(PORTS)}, or a range; those that are left out are free ones",
    )
    parser.add_argument(
        "--web", default="", metavar="URL", help="where web is: the gallery then shows pages, with a button"
    )
    parser.add_argument("--keep-bytes", action="store_true", help="keep uploads, so that they can be downloaded")
    parser.add_argument("--only-print", action="store_true", help="print the environment and end")
    parser.add_argument("--tls", action="store_true", help="serve https with a private authority (CA_BUNDLE)")
    return parser.parse_args(arguments)


def _read_ports(text: str) -> tuple[int, ...]:
    first, dash, last = text.partition("-")
    # Of a range no more are taken than there are servers.
    ports = tuple(range(int(first), int(last) + 1))[: len(PORTS)] if dash else tuple(map(int, text.split(",")))
    if len(ports) > len(PORTS):
        raise argparse.ArgumentTypeError(f"{len(PORTS)} ports at most")
    return ports + (0,) * (len(PORTS) - len(ports))


if __name__ == "__main__":
    sys.exit(main())
