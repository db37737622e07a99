"""What became of an archive's photos so far. Knows nothing of how."""

from dataclasses import dataclass, field

from common.clouds.base import StoredPhoto
from common.errors import PhotoRejected

Rejected = dict[str, PhotoRejected]


@dataclass
class Tally:
    """What became of the photos so far, by their keys.

    Args:
        skipped: were in the cloud before this delivery.
        arrived: were copied by this delivery or the one before.
        rejected: cannot be copied, and why.
        crowded: whether there may be doubles that no look has shown yet: somebody else may copy the same archive at the
            same time, or the listing lags behind.
        folder_url: where the guest opens the gallery's folder, once there is one.
    """

    skipped: set[str] = field(default_factory=set)
    arrived: dict[str, StoredPhoto] = field(default_factory=dict)
    rejected: Rejected = field(default_factory=dict)
    crowded: bool = False
    folder_url: str = ""
