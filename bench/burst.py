"""`python -m bench.burst`: how fast `web` answers probes while many guests, and others, connect at once.

One process of `web` as in production, a token endpoint that answers when it is told to, and a client on the same
machine. Each probe opens a connection of its own, as an orchestrator's does.
"""

import asyncio
import json
import math
import resource
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from bench.crowded_web import TokenEndpoint, Web, serve
from bench.measure import python

CALLBACKS, CONNECTIONS, SAME_STATE = 1000, 2000, 60
# How long each crowd is watched, in seconds; idle ones until the last is gone.
WATCHED_SECONDS = 3.0
# A thousand guests come within so many seconds.
ARRIVING_SECONDS = 1.0
# How long memory may take to come back.
SETTLE_SECONDS = 5.0
_MIB = 1024 * 1024
# What the others send: nothing, half a line, a header that drips, a body that never comes.
_HALVES = (
    b"",
    b"GET /cloud_arch",
    b"GET / HTTP/1.1\r\nHost: us\r\nA: ",
    b"POST /cloud_archive HTTP/1.1\r\nHost: us\r\nContent-Length: 9\r\n\r\n",
)


@dataclass
class Crowd:
    """Measurements during one burst of clients.

    Args:
        name: of the crowd.
        seconds: that each probe of `/healthz` took.
        answers: what the crowd got, by its status; 0: closed without an answer.
        peak_mib: peak resident memory of `web`.
        lasted: seconds until the last of the crowd was gone.
    """

    name: str
    seconds: list[float] = field(default_factory=list)
    answers: dict[int, int] = field(default_factory=dict)
    peak_mib: float = 0.0
    lasted: float = 0.0

    def quantile(self, part: float) -> float:
        """Return a quantile of the probes, in milliseconds."""
        return sorted(self.seconds)[math.ceil(part * len(self.seconds)) - 1] * 1000

    def count(self, statuses: list[int]) -> None:
        """Count the answers by status."""
        self.answers = {status: statuses.count(status) for status in sorted(set(statuses))}


@dataclass
class Burst:
    """All bursts, and the memory of `web` before the first and after the last, in MiB."""

    crowds: list[Crowd]
    before_mib: float
    after_mib: float

    def __str__(self) -> str:
        lines = [
            f"{crowd.name}: /healthz p50 {crowd.quantile(0.5):.1f} ms, p99 {crowd.quantile(0.99):.1f} ms, "
            f"max {max(crowd.seconds) * 1000:.1f} ms of {len(crowd.seconds)} probes; "
            f"all gone after {crowd.lasted:.1f} s, answers {crowd.answers}; peak {crowd.peak_mib:.0f} MiB"
            for crowd in self.crowds
        ]
        return "\n".join([*lines, f"memory before {self.before_mib:.0f} MiB, after {self.after_mib:.0f} MiB"])


def measure(watched_seconds: float = WATCHED_SECONDS) -> Burst:
    """Run all bursts and return the measurements; takes about 20 s.

    Args:
        watched_seconds: how long each crowd of guests waits for its token endpoint.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return asyncio.run(_measure(watched_seconds))


async def _measure(watched_seconds: float) -> Burst:
    cloud = TokenEndpoint()
    async with cloud.serve() as token_uri:
        with serve(token_uri) as web:
            await web.wait_until_up()
            cloud.answer_all()
            await web.come_back(web.issue(1)[0], 0)  # what is loaded late is no crowd's
            before = web.resident_mib()
            crowds = [
                await _watch_guests(web, cloud, f"one state {SAME_STATE} times", 1, SAME_STATE, watched_seconds),
                await _watch_guests(web, cloud, f"{CALLBACKS} waiting callbacks", CALLBACKS, 1, watched_seconds),
                await _watch_idle(web),
            ]
            until = time.monotonic() + SETTLE_SECONDS
            while (after := web.resident_mib()) > before + 10 and time.monotonic() < until:
                await asyncio.sleep(0.2)
    return Burst(crowds, before, after)


async def _watch_guests(web: Web, cloud: TokenEndpoint, name: str, states: int, times: int, seconds: float) -> Crowd:
    """Watch guests who come back while the token endpoint answers nobody, and then everybody."""
    issued = web.issue(states)
    cloud.keep_waiting()
    async with _probing(web, Crowd(name)) as crowd:
        began = time.monotonic()
        guests = []
        for each, state in enumerate(issued * times):
            guests.append(asyncio.create_task(web.come_back(state, each)))
            await asyncio.sleep(ARRIVING_SECONDS / CALLBACKS)
        await asyncio.sleep(seconds)
        cloud.answer_all()
        crowd.count(await asyncio.gather(*guests))
        crowd.lasted = time.monotonic() - began
    return crowd


async def _watch_idle(web: Web) -> Crowd:
    """Watch connections that never become requests, until they are closed."""

    async def idle(sent: bytes) -> int:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        except OSError:
            return 0
        with suppress(ConnectionError):
            writer.write(sent)
            closed = asyncio.ensure_future(reader.read(-1))
            while not (await asyncio.wait([closed], timeout=1.0))[0]:
                if sent.endswith(b"A: "):
                    writer.write(b"a")
            await closed
        writer.close()
        return 0

    async with _probing(web, Crowd(f"{CONNECTIONS} idle connections")) as crowd:
        began = time.monotonic()
        crowd.count(await asyncio.gather(*(idle(_HALVES[each % len(_HALVES)]) for each in range(CONNECTIONS))))
        crowd.lasted = time.monotonic() - began
    return crowd


@asynccontextmanager
async def _probing(web: Web, crowd: Crowd) -> AsyncIterator[Crowd]:
    """Probe while the block runs, from a process that does nothing else."""
    command = [*python("bench.probe"), str(web.port), str(web.process.pid)]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_MIB
    )
    assert process.stdout
    await process.stdout.readline()
    try:
        yield crowd
    finally:
        told, _ = await process.communicate(b"")  # which closes its input
        crowd.seconds, crowd.peak_mib = json.loads(told)


if __name__ == "__main__":
    print(measure())
    sys.exit(0)
