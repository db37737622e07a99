"""The ledger at a real broker: what is written comes back in one order to all who follow, whoever is restarted."""

import threading
import time
from collections.abc import Iterator

import pytest

from common.crypto.sealing import Secret
from common.errors import Transient
from common.messages.ledger import FIRST_EDITION, Entry, Kind, Record
from common.messages.ledger_log import Ledger
from common.messages.publisher import Publisher
from sandbox.run.broker import Broker


def follow(url: str, noted: list[Entry] | None = None) -> Ledger:
    """Return a ledger that has read what there is."""
    ledger = Ledger(
        Secret(url),
        "tests",
        Publisher(Secret(url), "tests"),
        lambda entry, _record: None if noted is None else noted.append(entry),
    )
    ledger.start()
    until = time.monotonic() + 30
    while not ledger.is_caught_up:
        assert time.monotonic() < until
        time.sleep(0.01)
    return ledger


@pytest.fixture
def ledgers(rabbitmq_url: str) -> Iterator[tuple[Ledger, Ledger, list[Entry]]]:
    """Two processes that follow one log, and what the second was told."""
    noted: list[Entry] = []
    both = follow(rabbitmq_url), follow(rabbitmq_url, noted)
    yield *both, noted
    for ledger in both:
        ledger.close()


def entry(job: str, kind: Kind, **fields: object) -> Entry:
    """Return an entry."""
    return Entry(job_id=job, kind=kind, **fields)  # type: ignore[arg-type]


def test_of_two_who_claim_one_message_the_later_works(ledgers: tuple[Ledger, Ledger, list[Entry]]) -> None:
    """And both know it; whoever starts later knows it too."""
    one, other, noted = ledgers
    assert one.append(entry("job-a", Kind.CLAIMED, by="a"))[0]
    counts, record = other.append(entry("job-a", Kind.CLAIMED, by="b"))
    assert (counts, record.holder) == (True, "b")
    counts, record = one.append(entry("job-a", Kind.WENT_ON, by="a", edition="e1"))
    assert (counts, record.holder) == (False, "b")
    assert [each.by for each in noted] == ["a", "b"]


def test_what_a_job_goes_on_with_can_be_read_by_whoever_takes_it(
    ledgers: tuple[Ledger, Ledger, list[Entry]], rabbitmq_url: str
) -> None:
    """By its place in the log; also by a process that starts later."""
    one, _, _ = ledgers
    one.append(entry("job-b", Kind.CLAIMED, by="a"))
    _, record = one.append(entry("job-b", Kind.WENT_ON, by="a", edition="e1", body='{"version":1}'))
    for _ in range(3):  # what comes after it is of no interest
        one.append(entry("job-b", Kind.STOPPED))
    record = one.find("job-b")
    late = follow(rabbitmq_url)
    try:
        assert late.find("job-b") == record
        assert (late.read(record.body_offset).body, late.read(record.body_offset).edition) == ('{"version":1}', "e1")
    finally:
        late.close()


def test_a_job_nobody_spoke_of_is_at_its_beginning(ledgers: tuple[Ledger, Ledger, list[Entry]]) -> None:
    """Its first message counts."""
    assert ledgers[0].find("job-c") == Record(editions={FIRST_EDITION})


def test_many_write_at_once(ledgers: tuple[Ledger, Ledger, list[Entry]]) -> None:
    """Each learns of its own entry, and all see the same."""
    one, other, _ = ledgers
    threads = [
        threading.Thread(target=(one, other)[number % 2].append, args=[entry("job-d", Kind.CLAIMED, by=str(number))])
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Whoever reads an entry of its own back has read all that came before it.
    assert one.append(entry("job-d", Kind.STOPPED))[1] == other.append(entry("job-d", Kind.STOPPED))[1]


def test_it_goes_on_when_the_broker_comes_back() -> None:
    """What was written before is known, what is written meanwhile is not, and says so."""
    with Broker() as broker:
        ledger = follow(broker.url)
        ledger.append(entry("job-e", Kind.CLAIMED, by="a"))
        broker.restart()
        until = time.monotonic() + 60
        while True:
            try:
                counts, record = ledger.append(entry("job-e", Kind.GRANTED, by="a", grant="sealed"))
                break
            except Transient:
                assert time.monotonic() < until
        assert (counts, record.holder, record.grant) == (True, "a", "sealed")
        later = follow(broker.url)
        assert later.find("job-e") == record
        ledger.close()
        later.close()
