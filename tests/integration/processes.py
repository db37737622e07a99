"""Who still runs: for tests that nothing is left behind."""

import os
from pathlib import Path


def processes_of(folder: Path) -> dict[int, str]:
    """Return the programs that name a folder or run in it: process id and command line."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text().replace("\0", " ")
            place = os.readlink(process / "cwd")
        except OSError:  # it ended meanwhile, or is another user's
            continue
        if str(folder) in command or place.startswith(str(folder)):
            found[int(process.name)] = command.strip()
    return found
