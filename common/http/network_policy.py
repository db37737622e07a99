"""Which hosts may be connected to, and how: one value, made from the settings and passed to whoever connects."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkPolicy:
    """What outgoing connections, and links to other hosts, are allowed.

    Args:
        allow_private: also connect to private addresses, by plain http and on any port (sandbox and tests only).
        ca_bundle: path of a PEM file with the authorities to trust instead of certifi's.
    """

    allow_private: bool = False
    ca_bundle: str | None = None

    @property
    def schemes(self) -> tuple[str, ...]:
        """The URL schemes that are allowed."""
        return ("https", "http") if self.allow_private else ("https",)


PUBLIC_ONLY = NetworkPolicy()
ANY_NETWORK = NetworkPolicy(allow_private=True)
