"""A job like any other."""

from common.messages.archive_job import ArchiveJob

JOB = ArchiveJob(
    id="job-1",
    cloud_type="google_drive",
    archive_type="webs",
    archive_url="https://arch-d.lite.gallery/g/api/stream/1/2?mod=web",
    gallery_name="Свадьба",
    grant="sealed",
    created_at="2026-11-23T12:00:00Z",
)
