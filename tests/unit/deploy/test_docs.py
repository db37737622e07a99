"""What the documents tell others to do works."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from common.clouds import CLOUDS
from common.clouds.base import Cloud
from common.crypto.sealing import Secret
from common.crypto.signing import sign
from common.messages.topology import EVENTS, LEDGER, LIVE, declare
from web.consent.idempotency import TTL_SECONDS
from web.consent.oauth_state import LIFETIME_SECONDS
from web.progress.store import RETENTION_SECONDS
from worker.transfer.buffers import BLOCK_BYTES

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
# Those that lead a newcomer through the code; a history names what is gone as well.
GUIDES = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]


def test_the_gallerys_example_verifies_our_signature() -> None:
    """The code in gallery-api.md accepts what we sign, also while the secret is changed, and nothing else."""
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "gallery-api.md").read_text(), re.S)
    example: dict[str, object] = {}
    exec(code, example)
    is_ours = example["is_ours"]
    assert callable(is_ours)
    old, new = Secret("whsec_" + "QUFB" * 8), Secret("whsec_" + "QkJC" * 8)
    headers = sign([new, old], "job", int(time.time()), b"{}")
    assert is_ours(old.reveal(), headers, b"{}")
    assert is_ours(new.reveal(), headers, b"{}")
    assert not is_ours(old.reveal(), headers, b"{ }")
    assert not is_ours("whsec_" + "Q0ND" * 8, headers, b"{}")
    assert not is_ours(old.reveal(), sign([old], "job", int(time.time()) - 3600, b"{}"), b"{}")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    """Every relative link names a file that exists and, after #, a heading in it."""
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", document.read_text()):
        name, _, anchor = target.partition("#")
        path = document.parent / name if name else document
        assert path.exists(), target
        text = path.read_text() if path.suffix == ".md" else ""
        headings = re.findall(r"^#+ (.+)$", text, re.M)
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors


@pytest.mark.parametrize("document", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_are_named_are_there(document: Path) -> None:
    """Every path into a folder of ours, in a document as in a drawing; a room that moves takes its readers along."""
    rooms = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
    named = re.findall(rf"`((?:{rooms})/[\w./-]*)[`:]", document.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("package", ["web", "worker", "common"])
def test_the_drawing_shows_rooms_that_are_there(package: str) -> None:
    """The first line of each box names modules of its frame."""
    drawing = (DOCS / "architecture.md").read_text().split("```mermaid")[1].split("```")[0]
    frame = drawing.split(f"subgraph {package}[")[1].split("end\n")[0]
    names = [name for label in re.findall(r'\w+\["([^"<]+)', frame) for name in label.split(" · ")]
    assert len(names) > 2
    assert [name for name in names if not [*(ROOT / package).glob(f"{name.replace('…', '*')}.py")]] == []


def read_section(document: str, heading: str) -> str:
    """Return what stands under a heading, up to the next one of any kind."""
    return re.split(r"\n#+ ", (DOCS / document).read_text().split(f"# {heading}\n")[1])[0]


@pytest.mark.parametrize("cloud", CLOUDS, ids=lambda cloud: cloud.name)
def test_people_are_told_of_each_cloud(cloud: Cloud) -> None:
    """The gallery its name; the owner how to register, how to change the secret, and what to do when it refuses us."""
    assert f'"{cloud.name}"' in (DOCS / "gallery-api.md").read_text()
    credentials = [variable.name for variable in cloud.variables if variable.default is None]
    registering = (DOCS / "google-app.md").read_text()
    assert [name for name in credentials if f"`{name}`" not in registering] == []
    assert f"/callback/{cloud.name}`" in registering
    assert any(f"| `{name}` |" in read_section("operations.md", "Changing secrets") for name in credentials)
    assert f"* `{cloud.name}`: " in read_section("operations.md", "A cloud refuses us")


def test_what_is_kept_is_kept_as_long_as_we_say() -> None:
    """The retention table of operations.md against what the code does; the stream is the only place with an age."""
    section = read_section("operations.md", "Privacy and retention")
    rows = {line.split("|")[1].strip(): line for line in section.splitlines() if line.startswith("| ")}
    (state,) = (row for what, row in rows.items() if what.startswith("OAuth state"))
    assert (state.split("|")[-2].strip(), LIFETIME_SECONDS) == ("one hour", 3600)
    (answers,) = (row for row in rows.values() if "Idempotency-Key" in row)
    assert answers.split("|")[-2].strip() == f"{TTL_SECONDS / 60:.0f} minutes"
    told: dict[str, dict[str, object]] = {}

    class Channel:
        """Remembers which queues are declared, and how."""

        def queue_declare(self, name: str, **options: Any) -> None:
            told[name] = options["arguments"]

        def __getattr__(self, _name: str) -> Any:
            return lambda *_, **__: None

    declare(Channel())  # type: ignore[arg-type]
    kept = told[EVENTS]
    (store,) = (row for row in rows.values() if EVENTS in row)
    assert f"{str(kept['x-max-age']).removesuffix('D')} days, or {kept['x-max-length-bytes'] // 10**9} GB" in store
    assert kept["x-max-age"] == f"{RETENTION_SECONDS / 86400:.0f}D"
    (entries,) = (row for row in rows.values() if LEDGER in row)
    assert f"{str(told[LEDGER]['x-max-age']).removesuffix('D')} days" in entries
    (live,) = (row for row in rows.values() if LIVE in row)
    assert (told[LIVE]["x-max-age"], live.split("|")[-2].strip()) == ("1h", "an hour, or 1 GB")
    # Nothing else that is declared keeps what it gives out: a message that is acknowledged is gone.
    assert {name for name, arguments in told.items() if arguments["x-queue-type"] != "quorum"} == {EVENTS, LEDGER, LIVE}
    assert f"{BLOCK_BYTES // 1024} KiB at a time" in rows["photos"]
