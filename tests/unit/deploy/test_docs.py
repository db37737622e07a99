"""What the documents tell others to do works."""

import re
import time
from pathlib import Path

import pytest

from common.sealing import Secret
from common.signing import sign

DOCS = Path(__file__).resolve().parents[3] / "docs"


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


@pytest.mark.parametrize("document", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    """Every relative link names a file that exists and, after #, a heading in it."""
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", document.read_text()):
        name, _, anchor = target.partition("#")
        text = (document.parent / name if name else document).read_text()
        headings = re.findall(r"^#+ (.+)$", text, re.M)
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors
