"""The verdicts of a chaos run, by name. Looks at what others see, never into the programs.

Here: what stands in the clouds and in the queues. What the gallery was told: `told`; what the pages showed: `shown`;
whether stops were heard: `heard`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pika

from sandbox.chaos.load.stops import Begun, Stop
from sandbox.chaos.observe.clouds import read_account
from sandbox.chaos.observe.status_poller import ENDS, Look
from sandbox.gallery.host import Archive, Done
from sandbox.storage import tree

# In the order in which they are told.
NAMES = (
    "lost",
    "doubled",
    "told twice",
    "told wrongly",
    "page went back",
    "page is wrong",
    "stop ignored",
    "left over",
    "misbehaved",  # what the cloud forbids, what a program itself calls a bug, and ends that were none
)
# What a broker remembers about messages, of no job any more; it goes by itself.
NOTES = "cloud_archive.verdict."
_SHOWN_MESSAGES = 200
# Two workers that have the same job may move the same file at the same moment: the second cannot know.
_RACE = re.compile(r"more than one parent: PATCH .*addParents=.*&removeParents=")
# Told by job instead, since a killed worker may have taken the next one along: see `judge`.
_SPENT = "a refresh token used twice"
_ENDED = re.compile(r" an archive ended .*slices=(?P<slices>\d+).* job_id=(?P<job>\S+)")


@dataclass(frozen=True)
class Case:
    """All that is known of one job.

    Attributes:
        begun: what was promised.
        calls: that the gallery got, in order, those included that it refused.
        looks: what its pages showed, in order.
        stop: the accepted one, if any.
        is_stop_in_doubt: one was asked for that was answered by an error, as what nobody confirmed is: it may have
            landed all the same.
        is_alone: nobody else ever copied this gallery into this account.
        lost_grant: a process was killed while the only good permission was in its hands and nowhere else: nobody can
            finish that archive.
    """

    begun: Begun
    calls: list[Done] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    stop: Stop | None = None
    is_stop_in_doubt: bool = False
    is_alone: bool = False
    lost_grant: bool = False

    @property
    def name(self) -> str:
        """What it is called in findings."""
        return f"job {self.begun.job_id} of {self.begun.login}"

    @property
    def accepted(self) -> list[Done]:
        """The calls that the gallery took."""
        return [call for call in self.calls if call.status == 200]

    @property
    def must_be_complete(self) -> bool:
        """Whether nothing excuses a photo that is missing."""
        return not self.stop and not self.is_stop_in_doubt and not self.lost_grant

    def last_looks(self) -> dict[str, Look]:
        """Return what each replica showed last."""
        return {look.replica: look for look in self.looks if look.status == 200}

    def has_ended(self) -> bool:
        """Tell whether anybody was told of an end."""
        return bool(self.accepted) or any(look.state in ENDS for look in self.last_looks().values())


@dataclass(frozen=True)
class Leftover:
    """A message that is still there."""

    queue: str
    message_id: str


def judge_lost(case: Case) -> list[str]:
    """Say whether an archive never ended, or ended without all of its photos though nothing kept them back."""
    if not case.accepted and case.stop:
        return []  # see `heard`
    if not case.accepted:
        shown = {replica: look.state for replica, look in case.last_looks().items()}
        return [f"{case.name}: the gallery was never told; its pages say {shown}"]
    given_up = (case.accepted[0].json or {}).get("failed_photos")
    missing = _missing_at(case.accepted[0], case)
    if case.must_be_complete and given_up and missing:
        return [f"{case.name}: gave {given_up} photos up"]
    return []


def judge_account(
    account: tree.Account[Any], wanted: Iterable[Archive], allowed: Iterable[Archive], cloud: str
) -> tuple[list[str], list[str]]:
    """Say what is lost in a guest's cloud, and what is there twice or should not be there.

    Args:
        account: the guest's.
        wanted: galleries that must be there whole.
        allowed: galleries of which any part may be there.
        cloud: whose account it is.
    """
    must = Counter(photo for archive in wanted for photo in archive.expected())
    may = must | Counter(photo for archive in allowed for photo in archive.expected())
    found = Counter(read_account(account, may.elements(), cloud))
    folders = Counter(account.path(folder) for folder in account.folders())
    lost = [f"missing: {_tell_photo(photo)}" for photo in (must - found).elements()]
    lost += [f"no folder: {album}" for album in sorted(_albums(must) - folders.keys())]
    doubled = [f"not as in the gallery: {_tell_photo(photo)}" for photo in (found - may).elements()]
    doubled += [
        f"{count} folders: {path}" for path, count in folders.items() if count > (path in _albums(may) | _albums(must))
    ]
    if doubled:
        doubled += _tell_doubles(account)
    whose = f"{cloud} of {account.login}: "
    return [whose + each for each in lost], [whose + each for each in doubled]


def judge_leftovers(leftovers: Iterable[Leftover], cases: Mapping[str, Case]) -> list[str]:
    """Say which messages are in a queue though their job has ended; one of a job that has not is where it should be."""
    wrong = []
    for each in leftovers:
        case = cases.get(each.message_id)
        if case is None or case.has_ended():
            whose = f"job {each.message_id}, which {'has ended' if case else 'nobody was promised'}"
            wrong.append(f"a message in {each.queue}: {whose}")
    return wrong


def judge_manners(violations: Iterable[str]) -> list[str]:
    """Say what was done to the cloud that it forbids."""
    breaches = [each for each in violations if not _RACE.match(each) and not each.startswith(_SPENT)]
    return [f"the cloud forbids: {breach}" for breach in breaches]


def judge_logs(logs: Iterable[Path]) -> list[str]:
    """Give back the lines in which a program reports what it takes for a bug or a loss."""
    return [
        f"{log.stem}: {line[:2000]}" for log in logs for line in _read_lines(log) if re.match(r"\S+ (ERROR|CRIT)", line)
    ]


def count_messages(rabbitmq_url: str, queues: Iterable[str]) -> dict[str, int]:
    """Return how many messages wait in each queue; those in a worker's hands do not count."""
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    try:
        channel = connection.channel()
        return {
            name: channel.queue_declare(name, passive=True).method.message_count
            for name in queues
            if not name.startswith(NOTES)
        }
    finally:
        connection.close()


def find_leftovers(rabbitmq_url: str, counts: Mapping[str, int]) -> list[Leftover]:
    """Return the messages that wait, the first two hundred of each queue; they stay where they are."""
    found = []
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        for queue, count in counts.items():
            for _ in range(min(count, _SHOWN_MESSAGES)):
                _method, properties, _body = channel.basic_get(queue)
                found.append(Leftover(queue, str(properties.message_id) if properties else ""))
    return found


def count_slices(logs: Iterable[Path]) -> int:
    """Return how many deliveries the archives took, each as its last end tells."""
    slices: dict[str, int] = {}
    for log in logs:
        for line in _read_lines(log):
            if ended := _ENDED.search(line):
                slices[ended["job"]] = max(slices.get(ended["job"], 0), int(ended["slices"]))
    return sum(slices.values())


def count_doubles(logs: Iterable[Path]) -> int:
    """Return how many photos came twice for a while, since two jobs or two workers copied them at once."""
    return sum("a photo was there twice" in line for log in logs for line in _read_lines(log))


def _missing_at(call: Done, case: Case) -> int | None:
    """Return how many photos were missing when the gallery was told, None if nobody looked."""
    return call.seen.missing.get(case.begun.login) if call.seen else None


def _albums(photos: Counter[tuple[str, int, str]]) -> set[str]:
    return {str(album) for path, _, _ in photos for album in PurePosixPath(path).parents[:-1]}


def _tell_photo(photo: tuple[str, int, str]) -> str:
    path, size, md5 = photo
    return f"{path} ({size} bytes, md5 {md5})"


def _tell_doubles(account: tree.Account[Any]) -> list[str]:
    """Say of files that share a path when each was made: what the logs tell of that moment shows who made it."""
    files = account.files()
    paths = Counter(account.path(file) for file in files)
    shared = [file for file in files if paths[account.path(file)] > 1]
    return [f"{account.path(file)}: made {file.created}, id {file.id}, md5 {file.md5}" for file in shared]


def _read_lines(log: Path) -> list[str]:
    return log.read_text("utf-8", "replace").splitlines()
