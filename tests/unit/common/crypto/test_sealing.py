"""Sealed texts open only unchanged, with one of the keys, and in their context."""

import base64
import os
import pickle
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from common.crypto.sealing import MAX_TEXT_BYTES, NotSealedByUs, Sealer, Secret

# Always the same ones: they stand in names of tests.
OLD, NEW = "o" * 43, "k" * 43


def sealer(*keys: str) -> Sealer:
    """Return a sealer with these keys."""
    return Sealer([Secret(key) for key in keys])


@given(text=st.text(max_size=300), context=st.text(st.characters(codec="utf-8"), max_size=30))
def test_what_was_sealed_opens_again(text: str, context: str) -> None:
    """Any text, for any context."""
    text = text.encode("utf-8", "ignore").decode()
    assert sealer(NEW).open(sealer(NEW).seal(text, context), context) == text


def test_what_an_earlier_version_made_is_known() -> None:
    """Replicas of two versions run side by side, and jobs wait for a day: a compressed text, and a MAC."""
    sealed = "bm5ubm5ubm5ubm5uc9uaYaVdEFPbbX7mg3AZAUQhJQW4BPRo-kxIN86M3k1PFIzBrR6-G_roxVQHnDinxb7S35HHsGwj85g"
    stamp = "89bbd5c6a0963bda44c4bf65107ce47bd6f08785a1159f19266c74ff8f0ad509"
    assert sealer(NEW).open(sealed, "c") == "Название галереи " * 3
    assert sealer(NEW).mac(b"data", "context").hex() == stamp


def test_an_earlier_version_can_read_what_is_sealed_now() -> None:
    """It unpacks with zlib, and nothing may follow."""
    raw = base64.urlsafe_b64decode(sealer(NEW).seal("Название " * 20, "c") + "==")
    key = base64.urlsafe_b64decode(NEW + "=")
    packed = AESGCM(key).decrypt(raw[:12], raw[12:], b"c")
    assert zlib.decompress(packed).decode() == "Название " * 20


def test_sealed_text_fits_into_a_url() -> None:
    """Letters, digits, minus and underscore."""
    sealed = sealer(NEW).seal("Название" * 20, "c")
    assert sealed.replace("-", "a").replace("_", "a").isalnum()
    assert sealed.isascii()


def test_the_same_text_is_never_sealed_alike() -> None:
    """Every seal has its own nonce."""
    assert len({sealer(NEW).seal("text", "c") for _ in range(50)}) == 50


def test_it_opens_only_for_its_context() -> None:
    """A grant that is moved to another job does not open."""
    sealed = sealer(NEW).seal("text", "grant:a")
    for other in ("grant:b", "grant:", "", "state:a"):
        with pytest.raises(NotSealedByUs):
            sealer(NEW).open(sealed, other)


def test_every_changed_character_is_noticed() -> None:
    """Also the spare bits of the last one, which base64 ignores."""
    sealed = sealer(NEW).seal("text", "c")
    for place, char in enumerate(sealed):
        for other in "AB_-9z":
            if other != char:
                with pytest.raises(NotSealedByUs):
                    sealer(NEW).open(sealed[:place] + other + sealed[place + 1 :], "c")


@given(text=st.text(max_size=80))
def test_nothing_else_opens(text: str) -> None:
    """Whatever it is, the answer is always the same error."""
    with pytest.raises(NotSealedByUs):
        sealer(NEW).open(text, "c")


def test_cut_or_lengthened_text_does_not_open() -> None:
    """Nor with padding, spaces or line ends."""
    sealed = sealer(NEW).seal("text", "c")
    cut = [sealed[:length] for length in range(len(sealed))]
    for wrong in [*cut, sealed + "A", sealed + "=", sealed + "==", sealed + "\n", f" {sealed}", sealed * 2]:
        with pytest.raises(NotSealedByUs):
            sealer(NEW).open(wrong, "c")


def test_keys_are_rotated_without_a_gap() -> None:
    """The first key seals, all open; one that is dropped opens no more."""
    old, both, new = sealer(OLD), sealer(NEW, OLD), sealer(NEW)
    assert both.open(old.seal("text", "c"), "c") == "text"
    assert new.open(both.seal("text", "c"), "c") == "text"
    with pytest.raises(NotSealedByUs):
        new.open(old.seal("text", "c"), "c")


def test_text_that_unpacks_into_memory_is_refused() -> None:
    """Even if it was sealed by us."""
    sealed = sealer(NEW).seal("a" * (MAX_TEXT_BYTES + 1), "c")
    with pytest.raises(NotSealedByUs):
        sealer(NEW).open(sealed, "c")
    assert sealer(NEW).open(sealer(NEW).seal("a" * MAX_TEXT_BYTES, "c"), "c")


def test_nothing_of_the_text_shows() -> None:
    """Neither as it is nor compressed."""
    sealed = base64.urlsafe_b64decode(sealer(NEW).seal("only for us", "c") + "===")
    assert b"only" not in sealed
    assert zlib.compress(b"only for us", 9) not in sealed


@pytest.mark.parametrize(
    "key", ["", "x", NEW[:-2], NEW + "AAAA", "я" * 43, NEW[:-1] + "!", base64.b64encode(b"k" * 31).decode()]
)
def test_a_bad_key_is_refused_without_being_shown(key: str) -> None:
    """At start, with a hint of how to get a good one."""
    with pytest.raises(ValueError, match=r"python -m tools.make_key") as caught:
        sealer(key)
    assert not key or key not in str(caught.value)


def test_keys_may_be_padded() -> None:
    """As other tools print them."""
    padded = base64.urlsafe_b64encode(os.urandom(32)).decode()
    assert padded.endswith("=")
    assert sealer(padded.rstrip("=")).open(sealer(padded).seal("text", "c"), "c") == "text"


def test_no_key_is_no_sealer() -> None:
    """There is nothing to seal with."""
    with pytest.raises(ValueError, match="at least one key"):
        Sealer([])


def test_a_secret_shows_itself_only_when_asked() -> None:
    """In no repr, format or exception."""
    secret = Secret("hush")
    shown = [repr(secret), str(secret), f"{secret}", f"{[secret]}", repr({"a": secret}), repr(ValueError(secret))]
    assert [each for each in shown if "hush" in each] == []
    assert secret.reveal() == "hush"


def test_a_secret_compares_by_what_it_holds() -> None:
    """And an empty one is false."""
    assert Secret("a") == Secret("a")
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a") != "a"
    assert not Secret("")


def test_a_sealer_does_not_travel() -> None:
    """Keys stay in the process that read them."""
    with pytest.raises(TypeError):
        pickle.dumps(sealer(NEW))


def test_the_command_prints_a_fresh_key_alone() -> None:
    """One line, another one each time, and it seals."""
    root = Path(__file__).parents[4]
    command = [sys.executable, "-m", "tools.make_key"]
    lines = [subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert lines[0] != lines[1]
    for line in lines:
        assert line.count("\n") == 1
        assert sealer(line.strip()).seal("text", "c")
