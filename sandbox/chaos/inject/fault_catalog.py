"""Catalog of the stand-ins' faults in a chaos run, and how they are assigned to photos and calls.

A photo has five tries in a row (RETRY_ATTEMPTS). At most `MAX_PER_PHOTO` faults are planned for one, so they never use
up its tries; faults of whole accounts use up none, or are rare.
"""

import random
from collections.abc import Sequence
from typing import Any

from sandbox.chaos.load.galleries import PHOTOS, photo_mark
from sandbox.faults.plan import Fault

MAX_PER_PHOTO = 2
# Share of photos with faults of their own.
_SHARE = 0.6

FaultSpec = tuple[str, str, dict[str, Any]]  # operation, action, parameters: see `sandbox.faults.plan`

_PHOTO_SOURCE: list[FaultSpec] = [
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
    ("photo", "interim", {"status": 103, "count": 3, "seconds": 0.1}),
    ("photo", "drip_headers", {"seconds": 0.01}),
]
_SESSION: list[FaultSpec] = [
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
_UPLOAD: list[FaultSpec] = [
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
    ("upload", "interim", {"status": 102, "count": 2, "seconds": 0.2}),
    ("upload", "drip_headers", {"seconds": 0.01}),
]
# Not `lose_properties` (confirmed, but lost): only the worker that sent them can notice, at its next look. If it is
# killed before and the archive is stopped, nobody looks at that file again.
_YANDEX_LINK: list[FaultSpec] = [
    ("yandex_link", "drop_before", {}),
    ("yandex_link", "drop_after", {}),
    ("yandex_link", "status", {"status": 503}),
    ("yandex_link", "status", {"status": 409}),
    ("yandex_link", "status", {"status": 423, "reason": "DiskResourceLockedError"}),
    ("yandex_link", "throttle", {"status": 429}),
    ("yandex_link", "throttle", {"status": 429, "retry_after": 1}),
    ("yandex_link", "bad_json", {}),
    ("yandex_link", "drop_fields", {"fields": ["href"]}),
    ("yandex_link", "html", {}),
    ("yandex_patch", "drop_before", {}),
    ("yandex_patch", "drop_after", {}),
    ("yandex_patch", "status", {"status": 500}),
    ("yandex_patch", "lie_md5", {}),
    ("yandex_patch", "drop_fields", {"fields": ["md5"]}),
    ("yandex_patch", "bad_json", {}),
]
# Not `corrupt`: a worker that is killed at that moment leaves a file of other bytes behind, which might be the guest's
# own and is not touched; the photo then stands beside it. The tests of single photos cover it.
_YANDEX_UPLOAD: list[FaultSpec] = [
    ("yandex_upload", "drop_before", {}),
    ("yandex_upload", "drop_after", {}),
    ("yandex_upload", "drop_after", {}),
    ("yandex_upload", "drop_midway", {}),
    ("yandex_upload", "drop_midway", {}),
    ("yandex_upload", "status", {"status": 500}),
    ("yandex_upload", "status", {"status": 503, "early": True}),
    ("yandex_upload", "throttle", {"status": 429}),
    ("yandex_upload", "expired_link", {}),
    ("yandex_upload", "defer", {}),
    ("yandex_upload", "defer", {"polls": 0}),
    ("yandex_upload", "defer", {"ends": "failed"}),
    ("yandex_upload", "late", {"looks": 1}),
    ("yandex_upload", "late", {"looks": 2, "status": 500}),
    ("yandex_upload", "html", {}),
    ("yandex_upload", "stall", {"seconds": 1, "when": "before"}),
    ("yandex_upload", "stall", {"seconds": 1, "when": "after"}),
    ("yandex_upload", "interim", {"status": 102, "count": 2, "seconds": 0.2}),
    ("yandex_upload", "drip_headers", {"seconds": 0.01}),
]
# Faults of one photo's upload, by cloud.
_UPLOAD_FAULTS: dict[str, tuple[list[FaultSpec], list[FaultSpec]]] = {
    "google_drive": (_SESSION, _UPLOAD),
    "yadisk": (_YANDEX_LINK, _YANDEX_UPLOAD),
}
# The clouds a run can save into; one without faults of its own waits until it has some.
CLOUDS = tuple(_UPLOAD_FAULTS)
# Faults of calls that are made for a whole archive, at the gallery and at each cloud.
_GALLERY_CALLS: list[FaultSpec] = [
    ("list", "drop_before", {}),
    ("list", "drop_midway", {}),
    ("list", "bad_json", {}),
    ("list", "html", {}),
    ("done", "drop_before", {}),
    ("done", "drop_after", {}),
]
_CLOUD_CALLS: dict[str, list[FaultSpec]] = {
    "google_drive": [
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
        ("cancel", "drop_before", {}),
    ],
    "yadisk": [
        ("yandex_disk", "status", {"status": 500}),
        ("yandex_disk", "drop_after", {}),
        ("yandex_disk", "expire_token", {}),
        ("yandex_resource", "drop_midway", {}),
        ("yandex_resource", "status", {"status": 500}),
        ("yandex_resource", "bad_json", {}),
        ("yandex_resource", "html", {}),
        ("yandex_resource", "throttle", {"status": 429}),
        ("yandex_mkdir", "drop_before", {}),
        ("yandex_mkdir", "drop_after", {}),
        ("yandex_mkdir", "status", {"status": 503}),
        ("yandex_mkdir", "status", {"status": 423}),
        ("yandex_delete", "defer", {}),
        ("yandex_delete", "drop_after", {}),
        ("yandex_delete", "status", {"status": 503}),
        ("yandex_operation", "status", {"status": 500}),
        ("yandex_operation", "drop_before", {}),
        # Not `drop_after`: the refresh token would be spent and its successor lost, and Yandex promises no second one.
        ("yandex_token", "drop_before", {}),
        ("yandex_token", "status", {"status": 503}),
    ],
}


def draw_call_fault(clouds: Sequence[str], chance: random.Random) -> Fault:
    """Draw a fault of a call that is made for a whole archive."""
    calls = [call for cloud in clouds for call in _CLOUD_CALLS[cloud]]
    return make_fault(chance.choice([*_GALLERY_CALLS, *calls]))


def make_fault(spec: FaultSpec, match: str = "") -> Fault:
    """Return a fault that fires once, or `times` if its parameters say so, for requests that contain `match`."""
    operation, action, settings = spec
    return Fault(operation, action, **{"match": match, **settings})


def plan_photo_faults(number: int, cloud: str, chance: random.Random) -> list[Fault]:
    """Draw the faults for the photos of one gallery.

    Args:
        number: the gallery's.
        cloud: the `cloud_type` it is saved into.
        chance: the random source.
    """
    faults = []
    for place in range(PHOTOS):
        if chance.random() < _SHARE:
            categories = chance.sample([_PHOTO_SOURCE, *_UPLOAD_FAULTS[cloud]], chance.randint(1, MAX_PER_PHOTO))
            faults += [make_fault(chance.choice(category), photo_mark(number, place)) for category in categories]
    return faults
