"""Whether everything is as it should be after a chaos run. Looks at what others see, never into the programs."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import pika

from sandbox import tree
from sandbox.chaos.crowd import Begun
from sandbox.demo import guest
from sandbox.gallery import Archive, Done

WAITING = tuple(f"cloud_archive.waiting.{level}" for level in (1, 2, 3, 4))
QUEUES = ("cloud_archive.jobs", *WAITING, "cloud_archive.dead")
# Two workers that have the same job may move the same file at the same moment: the second cannot know.
_RACE = re.compile(r"more than one parent: PATCH .*addParents=.*&removeParents=")
_NUMBER = re.compile(r" \(\d+\)(?=\.[^./]*$)")
_ENDED = re.compile(r" an archive ended .*slices=(?P<slices>\d+).* job_id=(?P<job>\S+)")


def find_untold(begun: Iterable[Begun], dones: Iterable[Done]) -> list[Begun]:
    """Return the promised archives whose end the gallery has not accepted yet."""
    told = {done.headers["X-Cloud-Archive-Job"] for done in dones}
    return [each for each in begun if each.job_id not in told]


def count_messages(rabbitmq_url: str) -> dict[str, int]:
    """Return how many messages wait in each queue; those in a worker's hands do not count."""
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    try:
        channel = connection.channel()
        return {name: channel.queue_declare(name, passive=True).method.message_count for name in QUEUES}
    finally:
        connection.close()


def judge_account(account: tree.Account[Any], archives: Iterable[Archive], cloud: str) -> list[str]:
    """Say in what a guest's cloud differs from the galleries that were saved there."""
    galleries = list(archives)
    expected = [photo for archive in galleries for photo in archive.expected()]
    found = account.tree()
    if cloud == "yadisk":
        found = _without_numbers(found, Counter(path for path, _, _ in expected))
    wrong = guest.find_differences(expected, found)
    albums = {str(album) for path, _, _ in expected for album in PurePosixPath(path).parents[:-1]}
    folders = Counter(account.path(folder) for folder in account.folders())
    wrong += [f"no folder: {album}" for album in sorted(albums - folders.keys())]
    wrong += [f"{count} folders: {path}" for path, count in folders.items() if count != (path in albums)]
    if wrong:
        wrong += _tell_doubles(account)
    return [f"{cloud} of {account.login}: {each}" for each in wrong]


def judge_dones(begun: Iterable[Begun], dones: list[Done], galleries: Iterable[tuple[Archive, str]]) -> list[str]:
    """Say in what the calls that the gallery got are wrong, those it refused included.

    Args:
        begun: what was promised.
        dones: the calls.
        galleries: each with the cloud that it is saved into.
    """
    by_job: dict[str, list[Done]] = {}
    for done in dones:
        by_job.setdefault(str(done.headers["X-Cloud-Archive-Job"]), []).append(done)
    promised = {each.job_id: each.archive.url for each in begun}
    clouds = {archive.url: cloud for archive, cloud in galleries}
    wrong = []
    for job_id, calls in by_job.items():
        # A guest whose callback failed may have a job all the same: nobody knows whether it was published.
        url = promised.get(job_id) or str(calls[0].headers["X-Cloud-Archive-Url"])
        wrong += [f"a done call for {url}, which is no gallery"] if url not in clouds else []
        wrong += [f"job {job_id}: {lie}" for lie in guest.find_lies(calls, job_id, url, clouds.get(url, ""))]
        if len({call.body for call in calls}) != 1:
            wrong.append(f"job {job_id}: the gallery was told different things")
    untold = find_untold(begun, [done for done in dones if done.status == 200])
    return wrong + [f"job {each.job_id} of {each.login}: the gallery was never told" for each in untold]


def judge_queues(counts: dict[str, int]) -> list[str]:
    """Say which queues are not empty."""
    return [f"{count} messages in {name}" for name, count in counts.items() if count]


def judge_manners(violations: Iterable[str]) -> list[str]:
    """Say what was done to the cloud that it forbids."""
    return [f"the cloud forbids: {breach}" for breach in violations if not _RACE.match(breach)]


def judge_logs(logs: Iterable[Path]) -> list[str]:
    """Give back the lines in which a program reports what it takes for a bug or a loss."""
    return [
        f"{log.stem}: {line[:2000]}" for log in logs for line in _read_lines(log) if re.match(r"\S+ (ERROR|CRIT)", line)
    ]


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


def _without_numbers(found: list[guest.Stored], names: Counter[str]) -> list[guest.Stored]:
    """Read "a (2).jpg" as "a.jpg" where several photos are listed by that name: one path can have one only."""
    plain = [(_NUMBER.sub("", path), size, md5) for path, size, md5 in found]
    return [new if names[new[0]] > 1 else old for old, new in zip(found, plain, strict=True)]


def _tell_doubles(account: tree.Account[Any]) -> list[str]:
    """Say of files that share a path when each was made: what the logs tell of that moment shows who made it."""
    files = account.files()
    paths = Counter(account.path(file) for file in files)
    shared = [file for file in files if paths[account.path(file)] > 1]
    return [f"{account.path(file)}: made {file.created}, id {file.id}, md5 {file.md5}" for file in shared]


def _read_lines(log: Path) -> list[str]:
    return log.read_text("utf-8", "replace").splitlines()
