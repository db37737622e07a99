"""Copy what is missing, round by round, and judge what failed: a photo, its source, or the whole cloud."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from common.clouds.base import PhotoStream, Storage, UploadSession
from common.clouds.photos import Folder, Photo, album_key
from common.errors import ArchiveError, JobStopped, Postponed, Reason, Refused
from worker.archive.batch import OUTAGE, Round, copy_round
from worker.archive.copies import Tally
from worker.archive.stages import Lanes
from worker.transfer.copy import PhotoCopy
from worker.transfer.refusals import Doubt, PhotoRefusals, Refusals
from worker.transfer.retry import Patience, RetryPolicy
from worker.transfer.stop import Signals

logger = logging.getLogger(__name__)

# When others arrived and so many are left, their refusals are their own: five requests for each are no flood.
FEW = 50

OpenStream = Callable[[Photo, Callable[[], None]], PhotoStream]


class Copier:
    """Copies an archive's photos. Its methods run on one thread; the photos on many.

    Args:
        archive_key: names the archive in its guest's cloud.
        storage: the guest's cloud.
        tally: what became of the photos; carried on here.
        open_stream: gives a photo's bytes; what it is given is called before every block and may raise.
        policy: how patient to be with each photo.
        photos: that move at a time.
        signals: end the work.
        note_begin: called before photos are begun.
        note_step: called when a photo came to an end, or used up a try; on any thread.
    """

    def __init__(
        self,
        archive_key: str,
        storage: Storage,
        tally: Tally,
        *,
        open_stream: OpenStream,
        policy: RetryPolicy,
        photos: int,
        signals: Signals,
        note_begin: Callable[[], None] = lambda: None,
        note_step: Callable[[], None] = lambda: None,
    ) -> None:
        self._key = archive_key
        self._storage = storage
        self._tally = tally
        self._open_stream = open_stream
        self._policy = replace(policy, note=self._note_failure)
        self._note_retry = policy.note
        self._lanes = Lanes(photos)
        self._signals = signals
        self._note_begin = note_begin
        self._note_step = note_step
        self._hopeless: set[str] = set()
        self._had_nothing: bool | None = None  # whether the round before brought nothing; None before the first
        self._doubt = Doubt(policy)

    def sort(self, missing: list[Photo]) -> list[Photo]:
        """Return photos in the order in which to try them: what failed before comes last."""
        # Where nothing came from, the next try begins at the other end: broken photos may stand side by side.
        missing = missing[::-1] if self._had_nothing else missing
        return sorted(missing, key=lambda photo: photo.key in self._hopeless)

    def copy(self, missing: list[Photo], folders: Mapping[str, Folder]) -> Round:
        """Copy photos, or only one of them while nobody knows if their cloud takes any.

        Args:
            missing: in the order in which they are begun.
            folders: the archive's folders by `album_key`.

        Raises:
            Refused: the cloud refuses all of them; see `wait_out`.
            ArchiveError, Interrupted: as `worker.archive.batch.copy_round` says.
        """
        before = len(self._tally.arrived)
        untried = [photo for photo in missing if photo.key not in self._hopeless]
        refusals = Refusals(1 if self._doubt.is_open else max(OUTAGE, self._lanes.count))
        chosen = self._doubt.choose(untried or missing) if self._doubt.is_open else missing
        # Each of a few that are left is judged by itself, so that it is told which they are.
        are_few = before > 0 and len(untried) <= FEW

        def begin(photo: Photo, signals: Signals) -> PhotoCopy:
            # Where no photo is left that was never refused, and none arrived, it is no single one's refusal.
            tells_nothing = are_few or (bool(untried) and photo.key in self._hopeless)
            said = PhotoRefusals(photo.key, refusals, tells_nothing)
            return self._begin(photo, folders[album_key(photo.album)], said, signals)

        self._note_begin()
        try:
            return copy_round(
                chosen,
                begin,
                self._tally.note_arrival,
                self._tally.tries,
                given_up=self._hopeless,
                lanes=self._lanes,
                signals=self._signals,
                note_end=self._note_step,
            )
        except Refused:
            if len(self._tally.arrived) > before:
                self._doubt.settle()
            raise
        finally:
            self._hopeless.update(refusals.keys)

    def conclude(self, done: Round) -> None:
        """Judge the photos that failed: it may be their own fault, or that of something that concerns them all.

        Raises:
            Postponed, JobStopped: it concerns them all.
        """
        if done.any_arrived:
            self._doubt.settle()
        # Who failed right after others had arrived is broken itself; without such a round before, nobody can tell.
        is_first = self._had_nothing is None
        if done.outage and (self._had_nothing or (is_first and done.is_complete)):
            kind = JobStopped if done.outage.reason is Reason.CLOUD_REFUSED else Postponed
            raise kind(done.outage.reason, done.outage.detail)
        self._had_nothing = not done.any_arrived
        if not done.is_complete:
            # Others were not tried yet. If they arrive, these here were broken themselves.
            self._hopeless.update(done.failed)
            return
        for key, failure in done.failed.items():
            self._tally.reject(key, failure)

    def wait_out(self, refused: Refused) -> None:
        """Wait before the cloud is asked once more whether it takes anything; raises what it means when it stays so."""
        logger.warning("the cloud refuses every photo: %s", refused.detail)
        self._doubt.wait(refused)

    def _begin(self, photo: Photo, folder: Folder, refusals: PhotoRefusals, signals: Signals) -> PhotoCopy:
        def begin() -> UploadSession:
            with self._lanes.begin(signals.wind_down):
                self._policy.pace.take_turn()
                session = self._storage.begin(self._key, photo, folder)
                self._policy.pace.accept()
                return session

        policy = replace(self._policy, sleep=signals.wind_down.sleep)
        return PhotoCopy(
            self._open_stream(photo, signals.let_go.check),
            begin,
            Patience(policy, self._tally.tries.get(photo.key, 0)),
            lambda: self._lanes.move(signals.wind_down),
            refusals,
        )

    def _note_failure(self, error: ArchiveError) -> None:
        self._note_retry(error)
        self._note_step()
