"""Every cloud there is, in a list one can read. A new cloud is one folder here and one line below."""

from common.clouds.base import Cloud
from common.clouds.google_drive import GOOGLE_DRIVE
from common.clouds.yandex_disk import YANDEX_DISK

CLOUDS: tuple[Cloud, ...] = (GOOGLE_DRIVE, YANDEX_DISK)


def find_cloud(name: str) -> Cloud | None:
    """Return the cloud of that name, if there is one."""
    return next((cloud for cloud in CLOUDS if cloud.name == name), None)


def advise_on_refusal(name: str, detail: str) -> str:
    """Return what to do when a cloud refuses this service itself, whoever the guest, in one line.

    Args:
        name: of the cloud.
        detail: what it answered.
    """
    cloud = find_cloud(name)
    secrets = " and ".join(each.name for each in cloud.variables if each.default is None) if cloud else "its variables"
    return (
        f"{name} refuses this service itself ({detail}): mend its registration there: compare {secrets} with what the "
        "console shows, and look whether the client, its project and billing stand; python -m tools.doctor asks again "
        "(docs/operations.md, A cloud refuses us)"
    )
