"""Names of all verdicts, and those on cloud contents, queues, logs and violations.

Verdicts rest on what is visible from outside, never on the processes' internals. Those on done calls, status pages and
stops have modules of their own.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pika

from sandbox.chaos.load.stops import SavedJob, Stop
from sandbox.chaos.observe.clouds import rename
from sandbox.chaos.observe.status_poller import ENDS, Observation
from sandbox.gallery.host import Archive, Done
from sandbox.storage import tree

# In the order in which they are printed.
NAMES = (
    "lost",
    "doubled",
    "told twice",
    "told wrongly",
    "page went back",
    "page is wrong",
    "stop ignored",
    "left over",
    "misbehaved",  # violations at a cloud, errors in logs, and unexpected exits
)
# Prefix of queues that record the fate of unconfirmed messages; they expire by themselves.
VERDICT_QUEUES = "cloud_archive.verdict."
_MAX_MESSAGES = 200
# Two workers with the same job may move the same file at the same time: allowed, the second cannot know.
_RACE = re.compile(r"more than one parent: PATCH .*addParents=.*&removeParents=")
# Judged by job instead, since a killed worker may have lost the successor: see `evidence`.
_REUSED_TOKEN = "a refresh token used twice"
_ENDED = re.compile(r" an archive ended .*slices=(?P<slices>\d+).* job_id=(?P<job>\S+)")


@dataclass(frozen=True)
class Case:
    """The evidence about one job.

    Attributes:
        job: what the guest was promised.
        calls: done calls that the gallery received, in order, refused ones included.
        observations: what its status pages showed, in order.
        stop: the accepted stop, if any.
        is_stop_in_doubt: a stop was answered by an error; it may have taken effect all the same.
        is_alone: no other job ever copied this gallery into this account.
        lost_grant: a process was killed while it held the only valid grant: nobody can finish that archive.
    """

    job: SavedJob
    calls: list[Done] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    stop: Stop | None = None
    is_stop_in_doubt: bool = False
    is_alone: bool = False
    lost_grant: bool = False

    @property
    def name(self) -> str:
        """How findings refer to it."""
        return f"job {self.job.job_id} of {self.job.login}"

    @property
    def accepted(self) -> list[Done]:
        """The done calls that were answered 200."""
        return [call for call in self.calls if call.status == 200]

    @property
    def must_be_complete(self) -> bool:
        """Whether nothing excuses a missing photo."""
        return not self.stop and not self.is_stop_in_doubt and not self.lost_grant

    def last_observations(self) -> dict[str, Observation]:
        """Return the last status that each replica showed."""
        return {page.replica: page for page in self.observations if page.status == 200}

    def has_ended(self) -> bool:
        """Tell whether the gallery was told of an end, or a page showed one."""
        return bool(self.accepted) or any(page.state in ENDS for page in self.last_observations().values())


@dataclass(frozen=True)
class Leftover:
    """A message that is still in a queue."""

    queue: str
    message_id: str


def judge_lost(case: Case) -> list[str]:
    """Return findings for a job that never ended, or ended without all photos and no excuse."""
    if not case.accepted and case.stop:
        return []  # see `stops`
    if not case.accepted:
        shown = {replica: page.state for replica, page in case.last_observations().items()}
        return [f"{case.name}: the gallery was never told; its pages say {shown}"]
    given_up = (case.accepted[0].json or {}).get("failed_photos")
    missing = _missing_at(case.accepted[0], case)
    if case.must_be_complete and given_up and missing:
        return [f"{case.name}: gave {given_up} photos up"]
    return []


def judge_account(
    account: tree.Account[Any], wanted: Iterable[Archive], allowed: Iterable[Archive], cloud: str
) -> tuple[list[str], list[str]]:
    """Return what is lost in a guest's account, and what is there twice or should not be there.

    Args:
        account: the guest's.
        wanted: galleries that must be complete.
        allowed: galleries of which any part may be there.
        cloud: the `cloud_type` of the account.
    """
    must = Counter(photo for archive in wanted for photo in archive.expected())
    may = must | Counter(photo for archive in allowed for photo in archive.expected())
    found = Counter(rename(account.tree(), may.elements(), cloud))
    folders = Counter(account.path(folder) for folder in account.folders())
    lost = [f"missing: {_tell_photo(photo)}" for photo in (must - found).elements()]
    lost += [f"no folder: {observations}" for observations in sorted(_albums(must) - folders.keys())]
    doubled = [f"not as in the gallery: {_tell_photo(photo)}" for photo in (found - may).elements()]
    doubled += [
        f"{count} folders: {path}" for path, count in folders.items() if count > (path in _albums(may) | _albums(must))
    ]
    if doubled:
        doubled += _tell_doubles(account)
    whose = f"{cloud} of {account.login}: "
    return [whose + each for each in lost], [whose + each for each in doubled]


def judge_leftovers(leftovers: Iterable[Leftover], cases: Mapping[str, Case]) -> list[str]:
    """Return findings for messages that are in a queue though their job has ended or never existed."""
    wrong = []
    for each in leftovers:
        case = cases.get(each.message_id)
        if case is None or case.has_ended():
            whose = f"job {each.message_id}, which {'has ended' if case else 'nobody was promised'}"
            wrong.append(f"a message in {each.queue}: {whose}")
    return wrong


def judge_violations(violations: Iterable[str]) -> list[str]:
    """Return findings for violations that the clouds' stand-ins recorded."""
    forbidden = [each for each in violations if not _RACE.match(each) and not each.startswith(_REUSED_TOKEN)]
    return [f"the cloud forbids: {violation}" for violation in forbidden]


def judge_logs(logs: Iterable[Path]) -> list[str]:
    """Return the log lines of level ERROR or CRITICAL."""
    return [
        f"{log.stem}: {line[:2000]}" for log in logs for line in _read_lines(log) if re.match(r"\S+ (ERROR|CRIT)", line)
    ]


def count_messages(rabbitmq_url: str, queues: Iterable[str]) -> dict[str, int]:
    """Return the number of ready messages in each queue; unacknowledged ones are not counted."""
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    try:
        channel = connection.channel()
        return {
            name: channel.queue_declare(name, passive=True).method.message_count
            for name in queues
            if not name.startswith(VERDICT_QUEUES)
        }
    finally:
        connection.close()


def find_leftovers(rabbitmq_url: str, counts: Mapping[str, int]) -> list[Leftover]:
    """Return the ready messages, the first two hundred of each queue; they stay there."""
    found = []
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        for queue, count in counts.items():
            for _ in range(min(count, _MAX_MESSAGES)):
                _method, properties, _body = channel.basic_get(queue)
                found.append(Leftover(queue, str(properties.message_id) if properties else ""))
    return found


def count_slices(logs: Iterable[Path]) -> int:
    """Return how many slices all archives took, as logged at their ends."""
    slices: dict[str, int] = {}
    for log in logs:
        for line in _read_lines(log):
            if ended := _ENDED.search(line):
                slices[ended["job"]] = max(slices.get(ended["job"], 0), int(ended["slices"]))
    return sum(slices.values())


def count_doubles(logs: Iterable[Path]) -> int:
    """Return how many photos were stored twice for a while because two workers copied them at once."""
    return sum("a photo was there twice" in line for log in logs for line in _read_lines(log))


def _missing_at(call: Done, case: Case) -> int | None:
    """Return how many photos were missing when the gallery was told; None if unknown."""
    return call.inspection.missing.get(case.job.login) if call.inspection else None


def _albums(photos: Counter[tuple[str, int, str]]) -> set[str]:
    return {str(observations) for path, _, _ in photos for observations in PurePosixPath(path).parents[:-1]}


def _tell_photo(photo: tuple[str, int, str]) -> str:
    path, size, md5 = photo
    return f"{path} ({size} bytes, md5 {md5})"


def _tell_doubles(account: tree.Account[Any]) -> list[str]:
    """Return when each file that shares a path was created, to be compared with the logs."""
    files = account.files()
    paths = Counter(account.path(file) for file in files)
    shared = [file for file in files if paths[account.path(file)] > 1]
    return [f"{account.path(file)}: made {file.created}, id {file.id}, md5 {file.md5}" for file in shared]


def _read_lines(log: Path) -> list[str]:
    return log.read_text("utf-8", "replace").splitlines()
