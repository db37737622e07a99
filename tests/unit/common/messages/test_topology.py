"""Names and arguments of queues: they belong together for ever, and a broker that has others is understood."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.messages.topology import find_difference, list_queues

_WAITING = {
    "x-queue-type": "quorum",
    "x-max-length": 100_000,
    "x-overflow": "reject-publish",
    "x-dead-letter-exchange": "cloud_archive",
    "x-dead-letter-routing-key": "job",
    "x-dead-letter-strategy": "at-least-once",
}
# Never change a line here: brokers have queues of these names with these arguments, and refuse them with others. A
# queue with other arguments gets another name and another key, and a line of its own.
DECLARED: dict[str, tuple[dict[str, Any], str, str]] = {
    "cloud_archive.dead": ({"x-queue-type": "quorum"}, "cloud_archive.dlx", ""),
    "cloud_archive.jobs": (
        {
            "x-queue-type": "quorum",
            "x-max-length": 100_000,
            "x-overflow": "reject-publish",
            "x-dead-letter-exchange": "cloud_archive.dlx",
            "x-dead-letter-strategy": "at-least-once",
            "x-delivery-limit": 50,
        },
        "cloud_archive",
        "job",
    ),
    "cloud_archive.events": (
        {
            "x-queue-type": "stream",
            "x-max-age": "7D",
            "x-max-length-bytes": 1_000_000_000,
            "x-stream-max-segment-size-bytes": 20_000_000,
        },
        "cloud_archive",
        "event",
    ),
    "cloud_archive.live": (
        {
            "x-queue-type": "stream",
            "x-max-age": "1h",
            "x-max-length-bytes": 1_000_000_000,
            "x-stream-max-segment-size-bytes": 5_000_000,
        },
        "cloud_archive.progress",
        "job.*.progress",
    ),
    "cloud_archive.ledger": (
        {
            "x-queue-type": "stream",
            "x-max-age": "2D",
            "x-max-length-bytes": 1_000_000_000,
            "x-stream-max-segment-size-bytes": 20_000_000,
        },
        "cloud_archive",
        "ledger",
    ),
    "cloud_archive.waiting.1": ({**_WAITING, "x-message-ttl": 10_000}, "cloud_archive", "waiting.1"),
    "cloud_archive.waiting.2": ({**_WAITING, "x-message-ttl": 45_000}, "cloud_archive", "waiting.2"),
    "cloud_archive.waiting.3": ({**_WAITING, "x-message-ttl": 300_000}, "cloud_archive", "waiting.3"),
    "cloud_archive.waiting.4": ({**_WAITING, "x-message-ttl": 1_800_000}, "cloud_archive", "waiting.4"),
}


def test_a_name_stands_for_its_arguments() -> None:
    """What is declared is what was ever declared under that name; nothing is declared twice."""
    queues = list(list_queues())
    assert {queue.name: (dict(queue.arguments), queue.exchange, queue.key) for queue in queues} == {
        name: DECLARED[name] for name in (queue.name for queue in queues)
    }
    assert len({queue.name for queue in queues}) == len(queues)
    assert len({(queue.exchange, queue.key) for queue in queues}) == len(queues)


@pytest.mark.parametrize(
    ("reply", "difference"),
    [
        (
            (
                "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue "
                "'cloud_archive.waiting.2' in vhost '/': "
                "received the value '45000' of type 'signedint' but "
                "current is the value '300000' of type 'signedint'"
            ),
            (
                "the queue cloud_archive.waiting.2 was declared otherwise before: "
                "its x-message-ttl is 300000, this version needs 45000"
            ),
        ),
        (
            (
                "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'cloud_archive.jobs' in vhost 'v': "
                "received the value 'quorum' of type 'longstr' but current is none"
            ),
            (
                "the queue cloud_archive.jobs was declared otherwise before: "
                "its x-queue-type is none, this version needs quorum"
            ),
        ),
        (
            (
                "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'cloud_archive.jobs' in vhost 'v': "
                "received 'quorum' but current is 'classic'"
            ),
            (
                "the queue cloud_archive.jobs was declared otherwise before: "
                "its x-queue-type is classic, this version needs quorum"
            ),
        ),
        (
            (
                "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'cloud_archive' in vhost '/': "
                "received 'direct' but current is 'topic'"
            ),
            "the exchange cloud_archive was declared otherwise before: its type is topic, this version needs direct",
        ),
    ],
)
def test_a_difference_is_named(reply: str, difference: str) -> None:
    """The queue or exchange, the argument, and both values."""
    assert find_difference(reply) == difference


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "NOT_FOUND - no queue 'x' in vhost '/'",
        "PRECONDITION_FAILED - unknown delivery tag 7",
        "ACCESS_REFUSED - access to queue 'cloud_archive.jobs' in vhost '/' refused for user 'hush'",
        (
            "PRECONDITION_FAILED - inequivalent arg 'x' for queue 'somebody.else' in vhost '/': received 'a' but "
            "current is 'b'"
        ),
        (
            "PRECONDITION_FAILED - inequivalent arg 'x' for queue 'cloud_archive.jobs' in vhost '/': received 'a' but "
            "current is 'b'\nand a line of its own"
        ),
    ],
)
def test_what_is_no_difference_is_not_repeated(reply: str) -> None:
    """Only what we understand word by word goes into a log."""
    assert find_difference(reply) == ""


@given(st.text())
def test_no_reply_surprises(reply: str) -> None:
    """Whoever listens there may say anything."""
    assert find_difference(reply) == "" or "\n" not in find_difference(reply)
