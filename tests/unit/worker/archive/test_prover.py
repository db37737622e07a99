"""What a killed worker left in the cloud is proved before it is counted: tries, time, and what cannot be known."""

from dataclasses import dataclass, field

import pytest

from common.clouds.base import PhotoStream
from common.clouds.photos import Photo, album_key
from common.errors import ArchiveError, GrantRevoked, PhotoRejected, Reason, SessionLost, Transient
from tests.fakes.memory_cloud import TOP, MemoryCloud, SilentStream
from worker.archive import prover as room
from worker.archive.prover import TRIES, Prover
from worker.transfer.stop import Cause, Interrupted, Signals

PHOTOS = [Photo(str(number), (), f"{number}.jpg", "https://h/p", 7) for number in range(3)]
BROKEN = Transient(Reason.GALLERY_UNAVAILABLE, "the line broke")


@dataclass
class Scene:
    """A cloud with what somebody left, and what happens when its source is read.

    Args:
        failures: raised by the sessions, one after another; by the photo's key.
    """

    failures: dict[str, list[ArchiveError]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Put it together."""
        self.cloud = MemoryCloud(stores=lambda photo: (self.failures.get(photo.key) or [None]).pop(0))
        self.signals = Signals()
        self.streams: list[SilentStream] = []
        self.proved: list[str] = []

    def open_stream(self, _photo: Photo, check: object) -> PhotoStream:
        """Give a stream and remember it."""
        assert check == self.signals.check
        self.streams.append(SilentStream())
        return self.streams[-1]

    def prove(self) -> set[str]:
        """Prove all of them."""
        prover = Prover("key", self.cloud, self.open_stream, self.signals)
        return prover.prove(PHOTOS, {album_key(()): TOP}, lambda stored: self.proved.append(stored.key))


def test_only_what_may_be_there_is_read() -> None:
    """The others cost nothing; nothing is uploaded."""
    scene = Scene()
    scene.cloud.put(PHOTOS[1], is_proved=False)
    assert (scene.prove(), scene.proved) == (set(), ["1"])
    assert [stream.closed for stream in scene.streams] == [1]
    assert (scene.cloud.begun, len(scene.cloud.files)) == ([], 1)


def test_the_second_file_may_be_the_photo() -> None:
    """When the first one is not."""
    scene = Scene({"1": [SessionLost(Reason.WRONG_BYTES)]})
    for number in (1, 2):
        scene.cloud.put(PHOTOS[1], number=number, is_proved=False)
    assert (scene.prove(), scene.proved) == (set(), ["1"])


@pytest.mark.parametrize("error", [SessionLost(Reason.WRONG_BYTES), PhotoRejected(Reason.PHOTO_UNAVAILABLE)])
def test_what_is_not_the_photo_is_known_not_to_be(error: ArchiveError) -> None:
    """Or its source will never be read."""
    scene = Scene({"1": [error]})
    scene.cloud.put(PHOTOS[1], is_proved=False)
    assert (scene.prove(), scene.proved) == (set(), [])


@pytest.mark.parametrize(("failures", "unknown"), [(TRIES - 1, set()), (TRIES, {"1"})])
def test_what_breaks_is_tried_again(failures: int, unknown: set[str]) -> None:
    """A few times; one photo costs the others nothing."""
    scene = Scene({"1": [BROKEN] * failures})
    for photo in PHOTOS[1:]:
        scene.cloud.put(photo, is_proved=False)
    assert scene.prove() == unknown
    assert set(scene.proved) == {"1", "2"} - unknown
    assert all(stream.closed for stream in scene.streams)


def test_what_there_is_no_time_for_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it."""
    monkeypatch.setattr(room, "MAX_SECONDS", -1.0)
    scene = Scene()
    scene.cloud.put(PHOTOS[1], is_proved=False)
    assert scene.prove() == {photo.key for photo in PHOTOS}
    assert scene.streams == []


def test_an_end_of_the_work_leaves_the_rest_unknown() -> None:
    """A stream or a request says so."""
    scene = Scene()
    scene.cloud.put(PHOTOS[1], is_proved=False)
    scene.cloud.stores = lambda _photo: scene.signals.check()  # type: ignore[func-returns-value]
    scene.signals.stop(Cause.CANCELLED)
    assert scene.prove() == {"1"}
    with pytest.raises(Interrupted):
        scene.signals.check()


def test_what_concerns_all_comes_out() -> None:
    """No other photo can be asked for either."""
    scene = Scene({"1": [GrantRevoked()]})
    scene.cloud.put(PHOTOS[1], is_proved=False)
    with pytest.raises(GrantRevoked):
        scene.prove()
