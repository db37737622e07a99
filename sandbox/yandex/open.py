"""Yandex's stand-ins in one `World`."""

from collections.abc import Sequence

from sandbox.faults.plan import FaultPlan
from sandbox.http.service import Service
from sandbox.yandex.accounts import Accounts
from sandbox.yandex.disk import Disk
from sandbox.yandex.uploader import Uploader


class OpenYandex:
    """Yandex's stand-ins; see `sandbox.cloud.OpenCloud`."""

    def __init__(self, faults: FaultPlan, violations: list[str], keep_bytes: bool):
        self.accounts = Accounts(faults, violations)
        self.storage = Disk(self.accounts.tokens, faults, violations, keep_bytes=keep_bytes)
        self.uploader = Uploader(self.storage, faults, violations)
        # Uploads have another host name than the API has, as in reality.
        self.services: Sequence[tuple[Service, bool]] = (
            (self.accounts, False),
            (self.storage, False),
            (self.uploader, True),
        )

    def connect(self) -> None:
        """Let links lead to the uploader."""
        self.storage.upload_url = self.uploader.url

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point `web` and `worker` here."""
        client, secret = next(iter(self.accounts.clients.items()))
        return {
            "YANDEX_CLIENT_ID": client,
            "YANDEX_CLIENT_SECRET": secret,
            "YANDEX_OAUTH_URL": self.accounts.url,
            "YANDEX_API_URL": self.storage.url,
        }

    def arrived(self, login: str) -> int:
        """Return how many bytes have arrived."""
        return sum(file.size for file in self.storage.account(login).files()) + self.storage.links.bytes_arriving()
