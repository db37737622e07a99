"""Yandex Disk: OAuth by plain forms, storage by plain REST."""

from common.clouds.base import Cloud
from common.clouds.digests import md5
from common.clouds.yandex_disk.auth import YandexAuth
from common.clouds.yandex_disk.storage import YandexStorage
from common.config.env import Variable

YANDEX_DISK = Cloud(
    name="yadisk",
    title="Yandex Disk",
    titles={"ru": "Яндекс Диск"},
    variables=(
        Variable("YANDEX_CLIENT_ID"),
        Variable("YANDEX_CLIENT_SECRET"),
        Variable("YANDEX_OAUTH_URL", "https://oauth.yandex.ru"),
        Variable("YANDEX_API_URL", "https://cloud-api.yandex.net"),
    ),
    # Beside the files: what is free, the bin, and more space.
    storage_url="https://disk.yandex.ru/client/disk",
    new_digest=md5,
    auth=YandexAuth,
    storage=YandexStorage,
    operations=(
        ("GET", r"/v1/disk/resources/upload.*", "begin"),
        ("GET", r"/v1/disk/resources.*", "list"),
        ("PUT", r"/v1/disk/resources\?.*", "make_folder"),
        ("PUT", r".*", "upload"),
        ("GET", r"/v1/disk/operations/.*", "look"),
        ("GET", r"/v1/disk(\?.*)?", "space"),
        ("PATCH", r"/v1/disk/resources.*", "change"),
        ("DELETE", r"/v1/disk/resources.*", "remove"),
        ("POST", r".*/token", "token"),
        ("POST", r".*/revoke_token", "revoke"),
    ),
)
