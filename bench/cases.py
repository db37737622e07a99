"""The work: what is copied, and over what kind of wire."""

from dataclasses import dataclass, replace

from bench.photos import Photos

KB, MB, GB = 1000, 1000**2, 1000**3


@dataclass(frozen=True)
class Case:
    """One kind of work.

    Args:
        letter: names it on the command line.
        title: for people.
        photos: what is copied.
        latency: seconds each request waits for its answer.
        rate: of the gallery's line, bytes a second; 0: no limit.
        creates: a second that Drive bears; 0: no limit.
        mishaps: share of the requests that fail.
        threads: photos at a time, at most.
    """

    letter: str
    title: str
    photos: Photos
    latency: float = 0.0
    rate: float = 0.0
    creates: float = 0.0
    mishaps: float = 0.0
    threads: int = 64

    @property
    def is_race(self) -> bool:
        """Whether the peers take part: how they bear throttling and failures is another question."""
        return not self.creates and not self.mishaps

    def shrunk(self) -> "Case":
        """Return the same kind of work in a fraction of a second."""
        small = Photos(min(self.photos.count, 12), min(self.photos.size, 600 * KB))
        return replace(
            self,
            title=f"{self.title}: tried out",
            photos=small,
            latency=min(self.latency, 0.002),
            creates=4 * self.creates,
        )


CASES = (
    Case("a", "2,000 photos of 300 kB, 30 ms", Photos(2000, 300 * KB), latency=0.03),
    Case("b", "200 photos of 12 MB, 30 ms, 60 MB/s", Photos(200, 12 * MB), latency=0.03, rate=60 * MB),
    Case("c", "4 videos of 2 GB", Photos(4, 2 * GB), threads=4),
    Case("d", "10,000 photos of 1 kB, 5 ms", Photos(10_000, 1 * KB), latency=0.005),
    Case("e", "600 photos of 300 kB, 3 creates a second", Photos(600, 300 * KB), creates=3),
    Case("f", "400 photos of 3 MB, 2 % of requests fail", Photos(400, 3 * MB), latency=0.005, mishaps=0.02),
)
# Nothing in the way: how fast the stand-ins are.
ALONE = (
    Case("s", "stand-ins alone, 1 kB", Photos(5000, 1 * KB)),
    Case("s", "stand-ins alone, 12 MB", Photos(200, 12 * MB)),
)
# Ever more photos: what we need for each.
CROWDS = tuple(Case("m", f"{count} photos", Photos(count, 10 * KB)) for count in (10, 100, 1000, 10_000))
