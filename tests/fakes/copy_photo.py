"""Copy one photo to its end on the calling thread, as the worker's pipeline does on many."""

from collections.abc import Callable
from contextlib import nullcontext

from common.clouds.base import PhotoStream, UploadSession
from common.clouds.photos import StoredPhoto
from worker.transfer.copy import PhotoCopy
from worker.transfer.refusals import RefusalClassifier, RefusalStreak
from worker.transfer.retry import RetryBudget, RetryPolicy


def copy_photo(stream: PhotoStream, open_session: Callable[[], UploadSession], policy: RetryPolicy) -> StoredPhoto:
    """Copy a photo, and wait here while its cloud processes it; errors as in `PhotoCopy.step`."""
    refusals = RefusalClassifier("", RefusalStreak(1), is_isolated=True)
    copy = PhotoCopy(stream, open_session, RetryBudget(policy), nullcontext, refusals)
    try:
        while not isinstance(step := copy.step(), StoredPhoto):
            policy.sleep(step)
        return step
    finally:
        copy.close()
