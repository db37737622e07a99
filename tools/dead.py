"""`python -m tools.dead`: list dead letters, show one, put one or all back to work, throw one or all away.

Needs `RABBITMQ_URL`. Looking takes every letter out of its queue for a moment and lets it go again. Shows no secret.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from common.messages.dead_letters import DeadLetter, Wanted, drop_dead, list_dead, replay_dead
from tools.terminal import (
    NotPossible,
    add_json,
    parse,
    read_broker_url,
    run,
    show_json,
    show_lines,
    show_table,
    write_iso,
    write_time,
)

PROGRAM = "tools.dead"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked for; return the exit status."""
    asked = parse(_make_parser(), arguments)
    return run(PROGRAM, lambda: asked.command(asked))


def list_letters(asked: argparse.Namespace) -> None:
    """Print every dead letter."""
    letters = list_dead(read_broker_url())
    if asked.json:
        show_json([describe(letter) for letter in letters])
        return
    rows = [
        (
            letter.id,
            write_time(letter.at),
            letter.job.gallery_name if letter.job else "",
            letter.job.archive if letter.job else "",
            letter.reason + (f" (no job: {letter.fault})" if letter.fault else ""),
        )
        for letter in letters
    ]
    show_table(("LETTER", "SINCE", "GALLERY", "ARCHIVE", "WHY"), rows)


def show_letter(asked: argparse.Namespace) -> None:
    """Print what a dead letter holds, but for its permission."""
    letters = [letter for letter in list_dead(read_broker_url()) if letter.id.startswith(asked.id)]
    if not letters:
        raise _unknown(asked.id)
    if asked.json:
        show_json([describe(letter) for letter in letters])
        return
    for letter in letters:
        show_lines([(name, str(value)) for name, value in describe(letter).items() if value not in ("", None)])


def retry_letters(asked: argparse.Namespace) -> None:
    """Put one job, or all, back to work, with its patience renewed."""
    replayed, left = replay_dead(read_broker_url(), _choose(asked))
    if not replayed + left and asked.id:
        raise _unknown(asked.id)
    _answer(asked, {"put_back_to_work": replayed, "no_jobs_and_left": left})


def drop_letters(asked: argparse.Namespace) -> None:
    """Throw one letter, or all, away: their guests press the button again."""
    dropped = drop_dead(read_broker_url(), _choose(asked))
    if not dropped and asked.id:
        raise _unknown(asked.id)
    _answer(asked, {"thrown_away": dropped})


def describe(letter: DeadLetter) -> dict[str, Any]:
    """Return a letter for programs: all that people need, and no permission."""
    job = letter.job
    told = {"letter": letter.id, "since": write_iso(letter.at), "why": letter.reason, "no_job": letter.fault}
    if not job:
        return told
    return {
        **told,
        "gallery_name": job.gallery_name,
        "archive": job.archive,
        "cloud_type": job.cloud_type,
        "archive_type": job.archive_type,
        "created_at": job.created_at,
        "slices": job.state.slices,
        "copied": job.state.copied,
        "failed_photos": job.state.failed_photos,
        "left_to_do": job.state.phase.value,
        "waited_for": job.state.reason,
    }


def _choose(asked: argparse.Namespace) -> Wanted:
    if bool(asked.id) == asked.all:
        raise NotPossible("give a letter's id, or --all")
    return lambda letter: asked.all or letter.id == asked.id


def _unknown(letter_id: str) -> NotPossible:
    return NotPossible(f"no dead letter has the id {letter_id}; python -m tools.dead list")


def _answer(asked: argparse.Namespace, counts: dict[str, int]) -> None:
    if asked.json:
        show_json(counts)
    else:
        show_lines([(name.replace("_", " "), str(count)) for name, count in counts.items()])


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {PROGRAM}", description="Looks at dead letters and settles them.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("list", help="all of them, the oldest first").set_defaults(command=list_letters)
    showing = commands.add_parser("show", help="what one holds")
    showing.add_argument("id", help="its id, or how that begins")
    showing.set_defaults(command=show_letter)
    for name, command, told in (
        ("retry", retry_letters, "put back to work, with its patience renewed"),
        ("drop", drop_letters, "throw away for good"),
    ):
        one = commands.add_parser(name, help=told)
        one.add_argument("id", nargs="?", default="", help="its id, whole")
        one.add_argument("--all", action="store_true", help="every one")
        one.set_defaults(command=command)
    for each in commands.choices.values():
        add_json(each)
    return parser


if __name__ == "__main__":
    sys.exit(main())
