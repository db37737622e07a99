"""The results as one table for each case."""

from bench.cases import Case
from bench.race import Run, middle

_HEADINGS = ("program", "s", "photos/s", "MB/s", "CPU s/GB", "beyond hashing", "peak MiB", "requests/photo", "times us")


def format_case(case: Case, runs: dict[str, list[Run]], hashing: float) -> str:
    """Return the table of one case.

    Args:
        case: which.
        runs: of each program, by its name; ours is the first.
        hashing: CPU seconds per GB of what we hash.
    """
    rows = [_HEADINGS, *(_row(name, case, each, runs["ours"], hashing) for name, each in runs.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, "-|-".join("-" * width for width in widths))
    return f"({case.letter}) {case.title}\n" + "\n".join(f"| {line} |" for line in lines)


def format_trouble(case: Case, run: Run) -> str:
    """Return what a run says of a case in which something goes wrong; empty for the others."""
    requests = run.gallery["requests"] + run.drive["requests"]
    if case.creates:
        reached = case.photos.count / run.usage.seconds / case.creates
        return f"{reached:.1%} of the ceiling reached, {run.drive['objections'] / requests:.1%} of requests throttled"
    if case.mishaps:
        again = run.drive["received"] / case.photos.total_bytes - 1
        failed = (run.gallery["mishaps"] + run.drive["mishaps"]) / requests
        return f"{failed:.1%} of requests failed, {again:.1%} of the bytes were sent again"
    return ""


def _row(name: str, case: Case, runs: list[Run], ours: list[Run], hashing: float) -> tuple[str, ...]:
    took, photos = middle(runs), case.photos
    gigabytes = photos.total_bytes / 1e9
    cpu = took.cpu_seconds / gigabytes
    beyond = cpu - hashing if name == "ours" else cpu
    requests = runs[0].gallery["requests"] + runs[0].drive["requests"]
    return (
        name,
        f"{took.seconds:.2f}",
        f"{photos.count / took.seconds:.1f}",
        f"{photos.total_bytes / took.seconds / 1e6:.1f}",
        f"{cpu:.2f}",
        f"{beyond:.2f}",
        f"{took.peak_bytes / 2**20:.0f}",
        f"{requests / photos.count:.2f}",
        f"{took.seconds / middle(ours).seconds:.2f}",
    )
