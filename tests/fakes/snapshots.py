"""Snapshots of an archive: one that runs, and one that ended with every field set."""

from common.messages.progress import FailedPhoto, Progress, State

NOW = 1_790_000_000.0
RUNNING = Progress(
    job_id="x",
    cloud_type="google_drive",
    archive_type="webs",
    gallery_name="Свадьба",
    state=State.RUNNING,
    photos_total=120,
    photos_copied=30,
    photos_skipped=7,
    bytes_total=1_300_000_000,
    bytes_copied=412_000_000,
    bytes_per_second=3_700_000.4,
    eta_seconds=240.2,
    folder_url="https://drive.google.com/drive/folders/x",
    created_at=NOW,
    started_at=NOW + 1,
    updated_at=NOW + 60,
)
FAILED = Progress(
    job_id="x",
    cloud_type="yadisk",
    archive_type="webs",
    gallery_name="Свадьба",
    state=State.FAILED,
    photos_total=9,
    photos_copied=3,
    photos_skipped=2,
    photos_failed=4,
    bytes_total=90,
    bytes_copied=50,
    bytes_per_second=1.5,
    eta_seconds=2.5,
    folder_url="https://disk.example/x",
    failures=(FailedPhoto("a.jpg", "wrong_bytes", "more than listed"),),
    latest=("b.jpg", "c.jpg"),
    reason="storage_full",
    detail="full",
    needed_bytes=40,
    free_bytes=0,
    created_at=1.0,
    started_at=2.0,
    updated_at=3.0,
    finished_at=3.0,
)
