"""The faults only Disk can commit: links that end, answers that come later, files that are hard to see."""

from typing import TYPE_CHECKING, cast

from sandbox.faults.actions import Action, Strike
from sandbox.gallery.photos import BODY_ACTIONS
from sandbox.http.message import Reply
from sandbox.storage.uploads import corrupt_either, keep_part
from sandbox.yandex.errors import error_reply

if TYPE_CHECKING:
    from sandbox.yandex.disk import Disk
    from sandbox.yandex.uploader import Uploader


def expire_token(strike: Strike) -> Reply:
    """End the guest's access tokens in this very moment."""
    tokens = cast("Disk", strike.service).tokens
    token = tokens.find((strike.request.headers.get("Authorization") or "").partition(" ")[2])
    tokens.expire(token.login if token else None)
    return error_reply(401)


def end_link(strike: Strike) -> Reply:
    """End the link, as if its half hour was over."""
    link = cast("Uploader", strike.service).find(strike.request)
    if link:
        link.expires = 0.0
    return strike.go()


def leave_to_route(strike: Strike) -> Reply:
    """Do it where the request is answered."""
    return strike.go()


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
