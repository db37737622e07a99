"""Actions of Disk's own faults: expired links, deferred operations, files that appear late."""

from typing import TYPE_CHECKING, cast

from sandbox.faults.actions import Action, FaultContext
from sandbox.gallery.photos import BODY_ACTIONS
from sandbox.http.message import Reply
from sandbox.storage.uploads import corrupt_either, keep_part
from sandbox.yandex.errors import error_reply

if TYPE_CHECKING:
    from sandbox.yandex.disk import Disk
    from sandbox.yandex.uploader import Uploader


def expire_token(context: FaultContext) -> Reply:
    """End the guest's access tokens in this very moment."""
    tokens = cast("Disk", context.service).tokens
    token = tokens.find((context.request.headers.get("Authorization") or "").partition(" ")[2])
    tokens.expire(token.login if token else None)
    return error_reply(401)


def end_link(context: FaultContext) -> Reply:
    """End the link, as if its half hour was over."""
    link = cast("Uploader", context.service).find(context.request)
    if link:
        link.expires = 0.0
    return context.proceed()


def leave_to_route(context: FaultContext) -> Reply:
    """Do it where the request is answered."""
    return context.proceed()


DISK_ACTIONS: dict[str, Action] = {
    "expire_token": expire_token,
    **dict.fromkeys(("defer", "lose_properties"), leave_to_route),
}
UPLOAD_ACTIONS: dict[str, Action] = {
    **BODY_ACTIONS,
    "corrupt": corrupt_either,
    "partial": keep_part,
    "expired_link": end_link,
    **dict.fromkeys(("defer", "late"), leave_to_route),
}
