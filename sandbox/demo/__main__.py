"""`python -m sandbox.demo`: command line and steps of the demo."""

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from sandbox.clouds import CLOUDS
from sandbox.demo import guest
from sandbox.demo.pages import open_pages
from sandbox.demo.services import ServiceError, Services
from sandbox.demo.show import ProgressBar, write_bytes, write_tree
from sandbox.faults.plan import UPLOADS, Fault
from sandbox.gallery.host import Archive
from sandbox.oauth.browser import PageError
from sandbox.run.broker import Broker, BrokerError
from sandbox.world import World

_UPLOAD_SECONDS = 1.0  # duration of each upload with --serve, so that progress can be watched
# Operations that happen once per photo: faults of these fire after half of the photos.
_PER_PHOTO = {"photo"}.union(*({cloud.operations.begin, cloud.operations.send} for cloud in CLOUDS))


def main() -> int:
    """Run the demo and return its exit code: 0 only if every photo arrived once, byte for byte."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    arguments = _parse_arguments()
    try:
        return run(arguments)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 128 + signal.SIGINT
    except (BrokerError, ServiceError, guest.GuestError, PageError, TimeoutError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1


def run(arguments: argparse.Namespace) -> int:
    """Start everything, save the gallery once, compare, and stop everything."""
    with contextlib.ExitStack() as started:
        folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="cloud_archive-demo-")))
        rabbitmq_url = os.environ.get("RABBITMQ_URL")
        if not rabbitmq_url:
            _say("starting a RabbitMQ of our own")
            rabbitmq_url = started.enter_context(Broker()).url
        _say(f"drawing {arguments.photos} photos of {write_bytes(arguments.size)}")
        world = started.enter_context(World(keep_bytes=arguments.serve))
        archive = world.gallery.add(guest.GALLERY_NAME, guest.draw_photos(arguments.photos, arguments.size))
        _say("starting web and worker")
        services = Services(world.environment(), rabbitmq_url, folder, arguments.workers)
        try:
            with services:
                world.faults.add(*arguments.fault)
                if arguments.serve:
                    return _serve(world, services)
                return _copy(arguments.cloud, world, archive, services)
        except Exception:
            print(f"\n{services.read_logs()}", file=sys.stderr)
            raise


def _serve(world: World, services: Services) -> int:
    """Keep everything running until interrupted, or until a service exits."""
    # Loopback is too fast to be watched.
    world.faults.add(*(Fault(upload, "stall", times=None, seconds=_UPLOAD_SECONDS) for upload in UPLOADS))
    _say(f"a gallery with a button: {open_pages(world, services.url)}")
    print("Ctrl-C ends it", flush=True)
    while True:
        services.check()
        time.sleep(0.5)


def _copy(cloud: str, world: World, archive: Archive, services: Services) -> int:
    account = guest.open_account(world, cloud)
    _say("a guest presses the button and allows")
    begun = time.monotonic()
    bar = ProgressBar(sum(size for _, size, _ in archive.expected()))
    job_id = guest.save(services.url, world.gallery.url, account, archive, cloud)
    _watch(bar, account, world, archive, services)
    seconds = time.monotonic() - begun
    expected, found = archive.expected(), account.tree()
    wrong = guest.find_differences(expected, found)
    wrong += guest.find_wrong_done_calls(guest.accepted_dones(world), job_id, archive.url, cloud)
    wrong += [f"the cloud forbids: {violation}" for violation in world.violations]
    _summarise(world, expected, found, seconds)
    if wrong:
        print("\nNOT AS IT SHOULD BE\n" + "\n".join(wrong[:50]) + f"\n{services.read_logs()}", file=sys.stderr)
    return 1 if wrong else 0


def _watch(bar: ProgressBar, account: guest.Account, world: World, archive: Archive, services: Services) -> None:
    # At 1 MB/s and one second per photo; what takes longer hangs.
    allowed = 120 + bar.total / 1e6 + len(archive.pictures)
    deadline = time.monotonic() + allowed
    try:
        while not guest.accepted_dones(world):
            services.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the gallery was not told within {allowed:.0f} s")
            bar.draw(account.arrived())
            time.sleep(0.1)
        bar.draw(account.arrived(), now=True)
    finally:
        bar.end()


def _summarise(world: World, expected: list[guest.Stored], found: list[guest.Stored], seconds: float) -> None:
    size = sum(size for _, size, _ in found)
    verified = (Counter(expected) & Counter(found)).total()
    _say("in the guest's cloud now")
    print(write_tree(found))
    _say("summary")
    print(f"photos         {len(found)}")
    print(f"bytes          {size} ({write_bytes(size)})")
    print(f"seconds        {seconds:.1f}")
    print(f"speed          {size / seconds / 1e6:.1f} MB/s")
    print(f"md5 verified   {verified}/{len(expected)}")
    for done in guest.accepted_dones(world):
        print(f"gallery told   {done.body.decode('utf-8', 'replace')}")
    for fired in world.faults.fired:
        print(f"fault struck   {fired.operation}:{fired.fault.does}")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Copy a gallery into a cloud, once, as a guest.")
    parser.add_argument("--photos", type=_read_count, default=24, help="how many photos the gallery has (24)")
    parser.add_argument("--size", type=_read_count, default=300_000, metavar="BYTES", help="of each photo (300000)")
    parser.add_argument(
        "--cloud",
        choices=sorted(guest.CLOUDS),
        default="google_drive",
        help="where to (google_drive)",
    )
    parser.add_argument("--serve", action="store_true", help="keep all up, and print the address of a gallery page")
    parser.add_argument("--workers", type=_read_count, default=1, help="how many worker processes (1)")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="ON:DOES[:NAME=VALUE...]",
        help="what goes wrong in the middle, e.g. upload:drop_midway or photo:status:status=503:times=3; repeatable",
    )
    arguments = parser.parse_args()
    try:
        arguments.fault = [parse_fault(text, arguments.photos) for text in arguments.fault]
    except ValueError as error:
        parser.error(str(error))
    return arguments


def parse_fault(text: str, photos: int) -> Fault:
    """Parse the value of `--fault`.

    Args:
        text: the value.
        photos: number of photos; faults of operations that happen once per photo fire after half of them.

    Raises:
        ValueError: there is no such fault.
    """
    operation, _, rest = text.partition(":")
    does, *given = rest.split(":")
    settings: dict[str, Any] = {"after": photos // 2 if operation in _PER_PHOTO else 0}
    for part in given:
        name, _, value = part.partition("=")
        settings[name] = json.loads(value) if value[:1].isdigit() or value in ("true", "false", "null") else value
    return Fault(operation, does, **settings)


def _read_count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return count


def _say(what: str) -> None:
    print(f"== {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
