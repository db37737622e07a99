"""`python -m sandbox.rehearsal`: command line; one line for each step, and the end at the first that fails."""

import argparse
import signal
import sys
import time

import requests

from sandbox.demo.guest import GuestError
from sandbox.oauth.browser import PageError
from sandbox.rehearsal.compose import RehearsalError
from sandbox.rehearsal.names import localhost_names
from sandbox.rehearsal.steps import Rehearsal, Skipped


def main() -> int:
    """Rehearse a deployment and return the exit code: 0 only if every step that can be done here ended well."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    parser = argparse.ArgumentParser(
        prog="scripts/rehearse",
        description="Build, start, use, restart, upgrade and remove a deployment of its own with docker compose.",
    )
    parser.add_argument(
        "--from",
        dest="revision",
        default="",
        metavar="REVISION",
        help="what to upgrade from (the last tag before this revision)",
    )
    rehearsal = Rehearsal(parser.parse_args().revision)
    try:
        with localhost_names():
            return run(rehearsal)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 128 + signal.SIGINT
    finally:
        clean_up(rehearsal)


def run(rehearsal: Rehearsal) -> int:
    """Do the steps, and return 1 at the first that fails."""
    began = time.monotonic()
    for name, act in rehearsal.steps():
        try:
            say("ok", name, act())
        except Skipped as why:
            say("skipped", name, str(why))
        except (RehearsalError, GuestError, PageError, requests.RequestException) as error:
            say("FAILED", name, str(error))
            print(f"\n{rehearsal.project.read_logs()}", file=sys.stderr)
            return 1
    say("ok", "all", f"in {time.monotonic() - began:.0f} s")
    return 0


def clean_up(rehearsal: Rehearsal) -> None:
    """Remove what was made; what can't be removed is told, and is no failure of the rehearsal."""
    try:
        rehearsal.end()
    except RehearsalError as error:
        print(f"left behind: {error}", file=sys.stderr)


def say(how: str, step: str, seen: str) -> None:
    """Print one line about a step."""
    print(f"{how:7} {step:22} {seen}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
