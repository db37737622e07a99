"""A cloud's stand-in as the sandbox knows it: a description, and its services once they are created."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sandbox.faults.plan import FaultPlan
    from sandbox.http.service import Service


@dataclass(frozen=True, kw_only=True)
class Operations:
    """The names of a cloud's requests.

    Args:
        begin: Begins an upload.
        send: Carries a photo's bytes.
        finish: Makes a file a copy that is found again.
        add_folder, remove, list, token: What they say.
        api: All that need an access token, and may find it expired.
        json: All that are answered with JSON.
        uploads: All that carry bytes into the cloud.
        downloads: All that carry bytes out.
        others: The rest, consent pages and the like.
        own_actions: Actions that only this cloud's services support, with the operations they apply to.
    """

    begin: str
    send: str
    finish: str
    add_folder: str
    remove: str
    list: str
    token: str
    api: frozenset[str]
    json: frozenset[str]
    uploads: frozenset[str]
    downloads: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    own_actions: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def all(self) -> frozenset[str]:
        """Every operation."""
        return self.api | self.json | self.uploads | self.downloads | self.others


class OpenCloud(Protocol):
    """A cloud's stand-ins in one `World`.

    Attributes:
        accounts: Its accounts, a `sandbox.oauth.accounts.Accounts`.
        storage: The service whose `account(login)` tells what a guest has.
        services: Every service, and whether it has another host name than the API; in the order of their ports.
    """

    accounts: Any
    storage: Any
    services: "Sequence[tuple[Service, bool]]"

    def connect(self) -> None:
        """Tell the services each other's addresses, once they are known."""

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point `web` and `worker` at this cloud."""

    def arrived(self, login: str) -> int:
        """Return how many bytes have arrived in a guest's account, those of unfinished uploads included."""


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """One cloud's stand-in.

    Args:
        name: What jobs and URLs call it.
        title: For people.
        ports: The names of its services, in the order of their ports.
        scopes: What a guest allows.
        operations: The names of its requests.
        digest_field: What its answers call a file's digest.
        lost_uploads: Faults that end an upload in the middle.
        full: Faults that say that there is no room.
        open: Creates its services for one `World`: the faults, the violations, and whether bytes are kept.
        answers_begin_without_body: The operation that begins an upload is answered by headers alone.
        spends_refresh_tokens: A refresh token is good for one use.
    """

    name: str
    title: str
    ports: tuple[str, ...]
    scopes: tuple[str, ...]
    operations: Operations
    digest_field: str
    lost_uploads: tuple[dict[str, Any], ...]
    full: tuple[dict[str, Any], ...]
    open: "Callable[[FaultPlan, list[str], bool], OpenCloud]"
    answers_begin_without_body: bool = False
    spends_refresh_tokens: bool = False
