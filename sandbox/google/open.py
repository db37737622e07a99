"""Google's stand-ins in one `World`."""

from collections.abc import Sequence

from sandbox.faults.plan import FaultPlan
from sandbox.google.accounts import Accounts
from sandbox.google.drive import Drive
from sandbox.http.service import Service


class OpenGoogle:
    """Google's stand-ins; see `sandbox.cloud.OpenCloud`."""

    def __init__(self, faults: FaultPlan, violations: list[str], keep_bytes: bool):
        self.accounts = Accounts(faults, violations)
        self.storage = Drive(self.accounts.tokens, faults, violations, keep_bytes=keep_bytes)
        self.services: Sequence[tuple[Service, bool]] = ((self.accounts, False), (self.storage, False))

    def connect(self) -> None:
        """Nothing leads from one to the other."""

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point `web` and `worker` here."""
        client, secret = next(iter(self.accounts.clients.items()))
        return {
            "GOOGLE_CLIENT_ID": client,
            "GOOGLE_CLIENT_SECRET": secret,
            "GOOGLE_AUTH_URI": f"{self.accounts.url}/o/oauth2/v2/auth",
            "GOOGLE_TOKEN_URI": f"{self.accounts.url}/token",
            "GOOGLE_REVOKE_URI": f"{self.accounts.url}/revoke",
            "GOOGLE_API_URL": self.storage.url,
        }

    def arrived(self, login: str) -> int:
        """Return how many bytes have arrived."""
        files = sum(file.size for file in self.storage.account(login).files())
        return files + sum(session.length() for session in self.storage.uploads.sessions())
