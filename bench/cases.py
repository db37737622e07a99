"""Cases of the benchmark: what is copied, and over what kind of connection."""

from dataclasses import dataclass, replace

from bench.conditions import Conditions
from bench.photos import Photos

KB, MB, GB = 1000, 1000**2, 1000**3


@dataclass(frozen=True)
class Case:
    """One case.

    Args:
        letter: names it on the command line.
        title: for people.
        conditions: what is copied, and what is in the way.
        threads: photos at a time, at most.
    """

    letter: str
    title: str
    conditions: Conditions
    threads: int = 64

    @property
    def photos(self) -> Photos:
        """The photos to copy."""
        return self.conditions.photos

    @property
    def is_race(self) -> bool:
        """Whether other programs take part: cases with throttling or failures measure ours only."""
        return not self.conditions.creates and not self.conditions.faults

    def summed(self) -> "Case":
        """Return the same case with checksums computed."""
        return replace(self, conditions=replace(self.conditions, photos=self.photos.summed()))

    def shrunk(self) -> "Case":
        """Return a small case of the same kind, for a fraction of a second."""
        small, there = Photos(min(self.photos.count, 12), min(self.photos.size, 600 * KB)), self.conditions
        quick = replace(there, photos=small, latency=min(there.latency, 0.002), creates=4 * there.creates, check=True)
        return replace(self, title=f"{self.title}: tried out", conditions=quick)


CASES = (
    Case("a", "2,000 photos of 300 kB, 30 ms", Conditions(Photos(2000, 300 * KB), latency=0.03)),
    Case("b", "200 photos of 12 MB, 30 ms, 60 MB/s", Conditions(Photos(200, 12 * MB), latency=0.03, rate=60 * MB)),
    Case("c", "4 videos of 2 GB", Conditions(Photos(4, 2 * GB)), threads=4),
    Case("d", "10,000 photos of 1 kB, 5 ms", Conditions(Photos(10_000, 1 * KB), latency=0.005)),
    Case("e", "600 photos of 300 kB, 3 creates a second", Conditions(Photos(600, 300 * KB), creates=3)),
    Case("f", "400 photos of 3 MB, 2 % of requests fail", Conditions(Photos(400, 3 * MB), latency=0.005, faults=0.02)),
)
# Nothing in the way: how fast the stand-ins are.
ALONE = (
    Case("s", "stand-ins alone, 1 kB", Conditions(Photos(5000, 1 * KB))),
    Case("s", "stand-ins alone, 12 MB", Conditions(Photos(200, 12 * MB))),
)
# Ever more photos: what we need for each.
CROWDS = tuple(Case("m", f"{count} photos", Conditions(Photos(count, 10 * KB))) for count in (10, 100, 1000, 10_000))
