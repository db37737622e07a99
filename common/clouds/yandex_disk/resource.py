"""Files, folders, links and operations, read from Yandex's JSON with suspicion."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from common.errors import Reason, Transient

FIELDS = "path,type,size,md5,created,custom_properties"
LIST_FIELDS = "_embedded.total," + ",".join(f"_embedded.items.{name}" for name in FIELDS.split(","))


@dataclass(frozen=True)
class Resource:
    """A file or a folder.

    Args:
        path: from `disk:/` on.
        is_folder: whether it is one.
        size: in bytes; -1 when it is not told.
        md5: of a file, in hex; empty when it is not told.
        created: as Yandex writes it; sorts by time.
        properties: `custom_properties`, which any app and nobody in the guest's own interface can see.
    """

    path: str
    is_folder: bool
    size: int
    md5: str
    created: str
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """The path of the folder it is in."""
        return self.path.rpartition("/")[0]

    @property
    def is_whole(self) -> bool:
        """Whether all is known of it that proves a photo; of what was just stored it may not be yet."""
        return self.is_folder or (bool(self.md5) and self.size >= 0)

    def has_properties(self, properties: Mapping[str, str]) -> bool:
        """Tell whether it has these properties."""
        return properties.items() <= self.properties.items()


@dataclass(frozen=True)
class Link:
    """Where one file may be sent to, once, within half an hour. The address is a secret: it is the only credential.

    Args:
        address: for one PUT.
        operation: what to ask for when the answer is "accepted".
    """

    address: str = field(repr=False)
    operation: str


def read_resource(told: Any, path: str = "") -> Resource:
    """Return a resource.

    Args:
        told: the JSON of it.
        path: where it was asked for, should it not say so itself.

    Raises:
        Transient: it is none.
    """
    if not isinstance(told, dict) or told.get("type") not in ("file", "dir"):
        raise Transient(Reason.CLOUD_UNAVAILABLE, "an answer that is not Yandex's")
    size, properties = told.get("size"), told.get("custom_properties")
    return Resource(
        path=str(told.get("path") or path),
        is_folder=told["type"] == "dir",
        size=size if isinstance(size, int) else -1,
        md5=str(told.get("md5") or ""),
        created=str(told.get("created") or ""),
        properties={str(key): str(value) for key, value in properties.items()} if isinstance(properties, dict) else {},
    )


def read_page(told: dict[str, Any]) -> tuple[list[Resource], object]:
    """Return one page of a listing, and how many items all pages have; raises Transient when it is none."""
    embedded = told.get("_embedded")
    items = embedded.get("items") if isinstance(embedded, dict) else None
    if not isinstance(embedded, dict) or not isinstance(items, list):
        raise Transient(Reason.CLOUD_UNAVAILABLE, "a listing without items")
    return [read_resource(item) for item in items], embedded.get("total")


def read_operation(link: Mapping[str, Any]) -> str:
    """Return the operation that a link leads to, in either of the forms that were seen."""
    try:
        parts = urlsplit(str(link.get("href", "")))
    except ValueError:
        raise Transient(Reason.CLOUD_UNAVAILABLE, "an operation without an address") from None
    return parse_qs(parts.query).get("id", [""])[0] or parts.path.rpartition("/")[2]
