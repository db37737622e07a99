"""Where a guest can go from a page: back to the gallery, on to their cloud, or once more through the consent."""

from collections.abc import Iterator
from dataclasses import dataclass

from common.clouds import find_cloud
from common.errors import Reason
from common.messages.progress import Progress, State
from web.consent.gallery_request import GalleryRequest
from web.texts import Texts


@dataclass(frozen=True)
class Link:
    """A link: what it says, where it leads, and whether it is what most guests want next."""

    label: str
    url: str
    is_main: bool = False


@dataclass(frozen=True)
class WayOn:
    """What every page leads to.

    Args:
        back: the gallery's page; empty when nobody knows it.
        home: the galleries' own site, for then; empty leads nowhere.
    """

    back: str = ""
    home: str = ""

    def link(self, texts: Texts) -> Link | None:
        """Return the link, if there is one."""
        if self.back:
            return Link(texts.say("back"), self.back)
        return Link(texts.say("home"), self.home) if self.home else None


NOWHERE = WayOn()


def find_way_on(progress: Progress, request: GalleryRequest | None, home: str) -> WayOn:
    """Return where a job's page leads back to: the gallery's page for a job that began, or for one that did not.

    Args:
        progress: the newest snapshot.
        request: what the gallery asked for, if that is known.
        home: as of `WayOn`.
    """
    if request is None:
        return WayOn(home=home)
    # Only a worker tells when it began.
    has_begun = progress.state is not State.FAILED or progress.started_at > 0
    return WayOn(request.success_link if has_begun else request.fail_link, home)


def may_ask_again(progress: Progress) -> bool:
    """Return whether another try makes sense: the job has ended, and not everything is in the cloud."""
    is_complete = progress.state is State.DONE and not progress.photos_failed and progress.photos_total > 0
    return progress.state.is_final and not is_complete


def list_actions(progress: Progress, texts: Texts, *, can_ask: bool) -> Iterator[Link]:
    """Yield what a guest can do once a job has ended, the likeliest first.

    Args:
        progress: the newest snapshot.
        texts: of the guest's language.
        can_ask: whether what the next try needs is known.
    """
    if not progress.state.is_final:
        return
    is_done, is_full = progress.state is State.DONE, progress.reason == Reason.STORAGE_FULL
    folder = progress.folder_url if progress.folder_url.startswith(("https://", "http://")) else ""
    if folder and is_done:
        yield Link(texts.say("open_folder"), folder, is_main=True)
    cloud = find_cloud(progress.cloud_type)
    if is_full and cloud:
        yield Link(texts.say("open_storage"), cloud.storage_url, is_main=True)
    if can_ask and may_ask_again(progress):
        label = "continue" if progress.state is State.CANCELLED else "again"
        path = f"/cloud_archive/jobs/{progress.job_id}/again?lang={texts.language}"
        yield Link(texts.say(label), path, is_main=not is_done and not is_full)
    if folder and not is_done:
        yield Link(texts.say("open_folder"), folder)
