"""Yandex Disk: OAuth by plain forms, storage by plain REST."""

from common.clouds.base import Cloud
from common.clouds.yandex_disk.auth import YandexAuth
from common.clouds.yandex_disk.storage import YandexStorage
from common.environment import Variable

YANDEX_DISK = Cloud(
    name="yadisk",
    title="Yandex Disk",
    variables=(
        Variable("YANDEX_CLIENT_ID"),
        Variable("YANDEX_CLIENT_SECRET"),
        Variable("YANDEX_OAUTH_URL", "https://oauth.yandex.ru"),
        Variable("YANDEX_API_URL", "https://cloud-api.yandex.net"),
    ),
    auth=YandexAuth,
    storage=YandexStorage,
)
