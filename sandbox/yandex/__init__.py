"""Stand-ins of Yandex OAuth, the Disk API and its upload hosts, stricter than the real ones."""

from typing import TYPE_CHECKING

from sandbox.cloud import Cloud, OpenCloud, Operations

if TYPE_CHECKING:
    from sandbox.faults.plan import FaultPlan

_API = frozenset(
    {"yandex_disk", "yandex_resource", "yandex_mkdir", "yandex_patch", "yandex_delete", "yandex_move"}
    | {"yandex_link", "yandex_download_link", "yandex_operation"}
)
_UPLOAD = frozenset({"yandex_upload"})


def _open(faults: "FaultPlan", violations: list[str], keep_bytes: bool) -> OpenCloud:
    # Faults are checked against the operations above, and the services import faults.
    from sandbox.yandex.open import OpenYandex

    return OpenYandex(faults, violations, keep_bytes)


YANDEX_DISK = Cloud(
    name="yadisk",
    title="Yandex Disk",
    ports=("yandex_accounts", "yandex", "yandex_uploader"),
    scopes=("cloud_api:disk.write", "cloud_api:disk.read", "cloud_api:disk.info"),
    operations=Operations(
        begin="yandex_link",
        send="yandex_upload",
        finish="yandex_patch",
        add_folder="yandex_mkdir",
        remove="yandex_delete",
        list="yandex_resource",
        token="yandex_token",
        api=_API,
        json=_API | {"yandex_token", "yandex_revoke"},
        uploads=_UPLOAD,
        downloads=frozenset({"yandex_download"}),
        others=frozenset({"yandex_consent"}),
        own_actions={
            "defer": frozenset({"yandex_upload", "yandex_delete", "yandex_move"}),  # polls=, ends=success|failed
            "late": _UPLOAD,  # looks=2, seconds=, status=404|409|423|500
            "expired_link": _UPLOAD,
            "lose_properties": frozenset({"yandex_patch"}),
        },
    ),
    digest_field="md5",
    lost_uploads=(
        {"on": "yandex_upload", "does": "expired_link"},
        {"on": "yandex_upload", "does": "defer", "ends": "failed"},
        {"on": "yandex_upload", "does": "partial", "bytes": 1000},
        {"on": "yandex_upload", "does": "corrupt", "at": 5},
        {"on": "yandex_upload", "does": "late", "looks": 2, "status": 500},
    ),
    full=(
        {"on": "yandex_link", "does": "status", "status": 507},
        {"on": "yandex_upload", "does": "status", "status": 507},
    ),
    open=_open,
    spends_refresh_tokens=True,
)
