"""rclone, with the settings that are fastest here."""

import json
import sysconfig
from pathlib import Path

from bench.config import RunConfig
from bench.drive_files import ROOT
from bench.photos import ALBUM

RCLONE = Path(sysconfig.get_path("scripts")) / "rclone"
_TOKEN = {"access_token": "token", "token_type": "Bearer", "refresh_token": "refresh", "expiry": "2099-01-01T00:00:00Z"}


def copyurl(config: RunConfig, folder: Path) -> list[str]:
    """Return the command that copies a list of addresses."""
    photos = config.photos
    names = [photos.name(index) for index in range(photos.count)]
    listed = folder / "urls.csv"
    listed.write_text("".join(f"{config.gallery_url}/{ALBUM}/{name},{ALBUM}/{name}\n" for name in names))
    return [*_command("copyurl", config, folder), "--urls", str(listed), "guest:"]


def copy_http(config: RunConfig, folder: Path) -> list[str]:
    """Return the command that copies what a page lists."""
    source = f":http,url='{config.gallery_url}/{ALBUM}/':"
    # Without it files that are not there yet are looked for one by one all the same.
    return [*_command("copy", config, folder), "--no-check-dest", source, f"guest:{ALBUM}"]


def _command(verb: str, config: RunConfig, folder: Path) -> list[str]:
    rclone_conf = folder / "rclone.conf"
    lines = ["[guest]", "type = drive", "scope = drive.file", f"root_folder_id = {ROOT}", "client_id = client"]
    lines += ["client_secret = secret", f"token = {json.dumps(_TOKEN)}"]
    rclone_conf.write_text("\n".join(lines) + "\n")
    return [
        *(str(RCLONE), verb, "--config", str(rclone_conf), "--ca-cert", config.bundle),
        *("--transfers", str(config.threads), "--checkers", str(config.threads), "--multi-thread-streams", "0"),
        # By default ten calls a second; this is as fast as it goes.
        *("--drive-pacer-min-sleep", "10us", "--drive-pacer-burst", "100000"),
        # Chunks and buffers as they are by default: measured, sessions of 8 MiB chunks are the fastest and the cheapest
        # way (3.5 CPU s/GB in (b); 5.3 when one request carries a photo whole, since that goes out in 32 KiB pieces).
        *("--retries", "1", "--low-level-retries", "3", "--stats", "0"),
    ]
