"""What the gallery asked for, sealed into a job's snapshots: the way back to it, and what a guest's next try needs.

Only `web` opens it: links may hold whatever a gallery puts into them, and snapshots are read by operators too.
"""

import json
from dataclasses import astuple, dataclass

from common.config.settings import WebSettings
from common.crypto.sealing import NotSealedByUs, Sealer
from common.http.urls import LinkRefused, check_link
from common.messages.progress import Progress


@dataclass(frozen=True)
class GalleryRequest:
    """The links of a gallery's request, as it gave them.

    Args:
        archive_url: the gallery's own link for downloading everything.
        success_link, fail_link: where the guest went when the job had begun, or had not.
    """

    archive_url: str
    success_link: str
    fail_link: str

    def __repr__(self) -> str:
        return "GalleryRequest(…)"

    def seal(self, sealer: Sealer, job_id: str) -> str:
        """Return the request as a job's snapshots carry it; it opens for that job only."""
        return sealer.seal(json.dumps(astuple(self), ensure_ascii=False), _context(job_id))


def open_request(settings: WebSettings, progress: Progress) -> GalleryRequest | None:
    """Return what the gallery asked for, if it is known and guests may still be sent to its links.

    Args:
        settings: of this process.
        progress: the newest snapshot of the job.
    """
    try:
        request = GalleryRequest(*json.loads(settings.sealer.open(progress.request, _context(progress.job_id))))
    except (NotSealedByUs, TypeError, ValueError):
        return None
    return request if are_allowed(settings, request.success_link, request.fail_link) else None


def are_allowed(settings: WebSettings, *links: str) -> bool:
    """Return whether guests may be sent to links; fewer hosts may be allowed than when they came."""
    try:
        for link in links:
            check_link(link, settings.redirect_hosts, policy=settings.network)
    except LinkRefused:
        return False
    return True


def _context(job_id: str) -> str:
    return f"request:{job_id}"
