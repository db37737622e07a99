"""What the services of the pretend world do wrong in a chaos run. Knows no schedule.

A photo has five tries in a row (RETRY_ATTEMPTS). No more than `MOST_PER_PHOTO` faults are ever aimed at one, so none
can use them up; what concerns whole accounts uses up none, or is rare.
"""

import random
from typing import Any

from sandbox.chaos.galleries import PHOTOS, photo_mark
from sandbox.faults import Fault

MOST_PER_PHOTO = 2
# Of all photos, so many meet with a fault of their own.
_SHARE = 0.6

Trouble = tuple[str, str, dict[str, Any]]  # the operation, the action, its parameters

_SOURCE: list[Trouble] = [
    ("photo", "drop_before", {}),
    ("photo", "drop_midway", {}),
    ("photo", "status", {"status": 503}),
    ("photo", "status", {"status": 404}),
    ("photo", "truncate", {"how": "cut"}),
    ("photo", "truncate", {"how": "smaller"}),
    ("photo", "truncate", {"how": "unsized"}),
    ("photo", "corrupt", {}),
    ("photo", "longer", {}),
    ("photo", "html", {}),
    ("photo", "gzip", {}),
    ("photo", "change_etag", {}),
    ("photo", "no_range_support", {}),
    ("photo", "wrong_range", {}),
    ("photo", "stall", {"seconds": 1}),
]
_SESSION: list[Trouble] = [
    ("initiate", "drop_before", {}),
    ("initiate", "drop_after", {}),
    ("initiate", "status", {"status": 503}),
    ("initiate", "status", {"status": 500}),
    ("initiate", "throttle", {"status": 403, "reason": "userRateLimitExceeded"}),
    ("initiate", "throttle", {"status": 429, "reason": "rateLimitExceeded", "retry_after": 1}),
    ("initiate", "no_location", {}),
    ("initiate", "id_in_use", {}),
    ("initiate", "unusable_id", {}),
    ("initiate", "html", {}),
    ("initiate", "expire_token", {}),
    ("query", "drop_before", {}),
    ("query", "status", {"status": 502}),
    ("query", "no_range", {"lose": True}),
    ("query", "forget_session", {}),
]
_BYTES: list[Trouble] = [
    ("upload", "drop_before", {}),
    ("upload", "drop_after", {}),
    ("upload", "drop_after", {}),
    ("upload", "drop_midway", {}),
    ("upload", "drop_midway", {}),
    ("upload", "status", {"status": 500}),
    ("upload", "status", {"status": 503, "early": True}),
    ("upload", "throttle", {"status": 403, "reason": "rateLimitExceeded"}),
    ("upload", "partial", {}),
    ("upload", "partial", {"bytes": 262144}),
    ("upload", "no_range", {}),
    ("upload", "no_range", {"lose": True}),
    ("upload", "lie_range", {}),
    ("upload", "forget_session", {}),
    ("upload", "gone_session", {}),
    ("upload", "cancelled_session", {}),
    ("upload", "corrupt", {}),
    ("upload", "lie_md5", {}),
    ("upload", "lie_size", {}),
    ("upload", "drop_fields", {"fields": ["md5Checksum", "size"]}),
    ("upload", "bad_json", {}),
    ("upload", "id_in_use", {}),
    ("upload", "html", {}),
    ("upload", "stall", {"seconds": 1, "when": "before"}),
    ("upload", "stall", {"seconds": 1, "when": "after"}),
]
# Of calls that are made for a whole archive.
CALLS: list[Trouble] = [
    ("list", "drop_before", {}),
    ("list", "drop_midway", {}),
    ("list", "bad_json", {}),
    ("list", "html", {}),
    ("about", "status", {"status": 500}),
    ("about", "drop_after", {}),
    ("generate_ids", "drop_after", {}),
    ("generate_ids", "bad_json", {}),
    ("files_list", "drop_midway", {}),
    ("files_list", "status", {"status": 500}),
    ("files_list", "repeat", {}),
    ("files_list", "empty_page", {}),
    ("files_list", "reject_page_token", {"match": "pageToken="}),
    ("files_list", "throttle", {"status": 403, "reason": "userRateLimitExceeded"}),
    ("files_list", "expire_token", {}),
    ("files_create", "drop_before", {}),
    ("files_create", "drop_after", {}),
    ("files_create", "status", {"status": 503}),
    ("files_create", "unusable_id", {}),
    ("files_update", "drop_after", {}),
    ("files_get", "status", {"status": 500}),
    ("files_delete", "drop_after", {}),
    ("files_delete", "status", {"status": 503}),
    ("token", "drop_after", {}),
    ("token", "status", {"status": 503}),
    ("token", "bad_json", {}),
    ("done", "drop_before", {}),
    ("done", "drop_after", {}),
    ("cancel", "drop_before", {}),
]


def make_fault(trouble: Trouble, match: str = "") -> Fault:
    """Return a fault that strikes once, or as often as its parameters say, at requests that `match` fits."""
    operation, action, settings = trouble
    return Fault(operation, action, **{"match": match, **settings})


def aim_at_photos(number: int, chance: random.Random) -> list[Fault]:
    """Return the faults that the photos of a gallery are to meet with.

    Args:
        number: the gallery's.
        chance: decides.
    """
    faults = []
    for place in range(PHOTOS):
        if chance.random() < _SHARE:
            sorts = chance.sample([_SOURCE, _SESSION, _BYTES], chance.randint(1, MOST_PER_PHOTO))
            faults += [make_fault(chance.choice(sort), photo_mark(number, place)) for sort in sorts]
    return faults
