"""Generate a week of progress messages: the stream that a starting replica of `web` reads."""

import random
import time
from collections.abc import Iterator
from dataclasses import replace

import pika

from common.crypto.sealing import Sealer, Secret
from common.messages.job_id import make_job_id
from common.messages.progress import FailedPhoto, Progress, State
from common.messages.publisher import connection_parameters
from common.messages.topology import EVENT_KEY, EXCHANGE, declare

DAY = 24 * 3600.0
# One job in so many ends with photos that failed; those name up to a hundred.
FAILING = 20


def fill_stream(url: Secret, sealer: Sealer, jobs: int, days: int) -> tuple[int, int, str]:
    """Publish everything that is told of the jobs; return how many messages and bytes, and the last job's id."""
    chance = random.Random(0)
    properties = pika.BasicProperties(  # type: ignore[no-untyped-call]
        content_type="application/json", delivery_mode=2
    )
    count = size = 0
    # The last one has just ended.
    began, step = time.time() - days * DAY - 301, DAY / jobs
    told = Progress(job_id="")
    with pika.BlockingConnection(connection_parameters(url, "bench", heartbeat=60)) as connection:
        channel = connection.channel()
        declare(channel)
        for number in range(jobs * days):
            for told in _tell_job(sealer, chance, began + number * step):
                body = told.encode()
                channel.basic_publish(EXCHANGE, EVENT_KEY, body, properties)
                count, size = count + 1, size + len(body)
        # An answer on the same channel comes after all that was published on it.
        declare(channel)
    return count, size, told.job_id


def _tell_job(sealer: Sealer, chance: random.Random, now: float) -> Iterator[Progress]:
    """Give what is told of one job of five minutes: it is queued, runs, and ends; one in a few waits in between."""
    photos, each = chance.randrange(20, 800), 3_500_000
    job = Progress(
        job_id=make_job_id(sealer, now),
        cloud_type=chance.choice(("google_drive", "yadisk")),
        archive_type=chance.choice(("webs", "originals")),
        gallery_name=f"Свадьба Анны и Ивана, {chance.randrange(10**6)}",
        created_at=float(int(now)),
        updated_at=now + 20.123,
    )
    yield job
    running = replace(job, state=State.RUNNING, started_at=now + 21.456, updated_at=now + 21.456)
    yield running
    known = replace(
        running,
        photos_total=photos,
        bytes_total=photos * each,
        folder_url=f"https://drive.google.com/drive/folders/{chance.randbytes(16).hex()}",
    )
    if chance.randrange(10) == 0:
        yield replace(known, state=State.WAITING, reason="cloud_unavailable", updated_at=now + 60)
        yield replace(known, updated_at=now + 70)
    for half in range(1, 10):
        # Its numbers, every half minute while it runs.
        copied = photos * half // 10
        yield replace(
            known, photos_copied=copied, bytes_copied=copied * each, updated_at=now + 30 * half, claim=1, number=half
        )
    failed = chance.randrange(1, 100) if chance.randrange(FAILING) == 0 else 0
    yield replace(
        known,
        state=State.DONE,
        photos_copied=photos - failed,
        photos_failed=failed,
        bytes_copied=(photos - failed) * each,
        failures=tuple(
            FailedPhoto(f"Церемония/IMG_{number:04d}.jpg", "photo_unavailable", "the gallery answered 404")
            for number in range(failed)
        ),
        updated_at=now + 300.789,
        finished_at=now + 300.789,
        claim=1,
        number=10,
    )
