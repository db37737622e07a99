"""Every cloud there is, in a list one can read. A new cloud is one folder here and one line below."""

from common.clouds.base import Cloud
from common.clouds.google_drive import GOOGLE_DRIVE
from common.clouds.yandex_disk import YANDEX_DISK

CLOUDS: tuple[Cloud, ...] = (GOOGLE_DRIVE, YANDEX_DISK)


def find_cloud(name: str) -> Cloud | None:
    """Return the cloud of that name, if there is one."""
    return next((cloud for cloud in CLOUDS if cloud.name == name), None)
