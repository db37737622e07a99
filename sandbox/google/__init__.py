"""Stand-ins of Google's OAuth endpoints and the Drive API, stricter than the real ones."""

from typing import TYPE_CHECKING

from sandbox.cloud import Cloud, OpenCloud, Operations

if TYPE_CHECKING:
    from sandbox.faults.plan import FaultPlan

_SESSION = frozenset({"upload", "query"})
_LISTING = frozenset({"files_list"})
_MAKING = frozenset({"initiate", "files_create", "upload"})


def _open(faults: "FaultPlan", violations: list[str], keep_bytes: bool) -> OpenCloud:
    # Faults are checked against the operations above, and the services import faults.
    from sandbox.google.open import OpenGoogle

    return OpenGoogle(faults, violations, keep_bytes)


GOOGLE_DRIVE = Cloud(
    name="google_drive",
    title="Google Drive",
    ports=("accounts", "drive"),
    scopes=("https://www.googleapis.com/auth/drive.file",),
    operations=Operations(
        begin="initiate",
        send="upload",
        finish="upload",
        add_folder="files_create",
        remove="files_delete",
        list="files_list",
        token="token",
        api=frozenset(
            {"generate_ids", "about", "files_list", "files_get", "files_create", "files_update", "files_delete"}
            | {"initiate", "upload", "query", "cancel"}
        ),
        json=frozenset(
            {"token", "generate_ids", "about", "files_list", "files_get", "files_create", "files_update"}
            | {"initiate", "upload", "query"}
        ),
        uploads=frozenset({"upload"}),
        downloads=frozenset({"files_get"}),
        others=frozenset({"consent", "revoke"}),
        own_actions={
            "no_range": _SESSION,  # lose=True: the bytes are gone as well
            "lie_range": _SESSION,  # bytes= beyond
            "forget_session": _SESSION | {"cancel"},
            "gone_session": _SESSION | {"cancel"},
            "cancelled_session": _SESSION | {"cancel"},
            "no_location": frozenset({"initiate"}),
            "id_in_use": _MAKING,
            "unusable_id": _MAKING,
            "hide": _LISTING,  # count= newest items
            "repeat": _LISTING,
            "empty_page": _LISTING,
            "reject_page_token": _LISTING,
        },
    ),
    digest_field="md5Checksum",
    lost_uploads=(
        {"on": "upload", "does": "forget_session"},
        {"on": "upload", "does": "partial", "bytes": 1000},
        {"on": "upload", "does": "no_range"},
    ),
    full=({"on": "initiate", "does": "status", "status": 403, "reason": "storageQuotaExceeded"},),
    open=_open,
    answers_begin_without_body=True,
)
