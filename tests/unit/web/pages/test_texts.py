"""The words for guests, in every language."""

import re
import string
from dataclasses import replace
from pathlib import Path

import pytest

from common.clouds import CLOUDS
from common.errors import Reason
from common.messages.progress import Progress, State
from web.texts import ENGLISH, LANGUAGES, RUSSIAN, Texts, choose_texts, explain_in_one_line
from web.texts.__main__ import write_table

TABLE = Path(__file__).parents[4] / "docs/guest-texts.md"
EVERY_LANGUAGE = pytest.mark.parametrize("texts", LANGUAGES.values(), ids=LANGUAGES)


def placeholders(text: str) -> set[str | None]:
    """Return the names of what a sentence leaves open."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@EVERY_LANGUAGE
@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_explained(texts: Texts, reason: Reason) -> None:
    """What, because of what, and what to do; each a sentence of its own, and none in another language."""
    explained = texts.reasons[reason]
    assert explained == texts.explain(str(reason))
    for sentence in (explained.title, explained.cause, explained.next_step):
        assert sentence.strip() == sentence != ""
        assert "{" not in sentence
        assert (texts is RUSSIAN) == any("а" <= letter <= "я" for letter in sentence.lower())
    assert explained.cause.endswith(".")
    assert explained.next_step.endswith(".")
    assert len({explained.title, explained.cause, explained.next_step}) == 3


def test_reasons_differ_from_each_other() -> None:
    """A guest can tell one from another."""
    for texts in LANGUAGES.values():
        assert len(Reason) == len({each.title for each in texts.reasons.values()})


def test_table_for_editors_is_the_one_of_these_texts() -> None:
    """`python -m web.texts > docs/guest-texts.md` makes it; no sentence is missing."""
    table = TABLE.read_text()
    assert write_table() == table
    for texts in LANGUAGES.values():
        every = [*texts.sentences.values(), *(form for forms in texts.forms.values() for form in forms[:1])]
        for sentence in every:
            assert sentence.replace("\N{NO-BREAK SPACE}", " ").replace("{n}", "1") in table


# Ours, not a guest's: they save a gallery. And nobody repairs a photographer, nor is anything saved "into" a drive.
UNWANTED = re.compile(r"archiv|mend|архив|почин|его исправят|в (Google|Яндекс) Диск", re.IGNORECASE)


def test_words_that_no_guest_reads() -> None:
    """Neither in a sentence nor in what is put together of several."""
    assert UNWANTED.findall(TABLE.read_text()) == []


@EVERY_LANGUAGE
def test_catalogues_say_the_same(texts: Texts) -> None:
    """The same sentences, with the same placeholders, and as many forms as the language has."""
    assert ENGLISH.sentences.keys() == texts.sentences.keys()
    for key, sentence in ENGLISH.sentences.items():
        assert placeholders(sentence) == placeholders(texts.sentences[key]), key
    assert ENGLISH.forms.keys() == texts.forms.keys()
    most = 1 + max(texts.plural(number) for number in range(200))
    for key, forms in texts.forms.items():
        assert most == len(forms), key
        assert all(placeholders(form) == {"n"} for form in forms), key


def test_clouds_are_called_as_their_makers_call_them() -> None:
    """In both languages, and a cloud that nobody knows is some cloud."""
    names = [(ENGLISH.cloud(cloud.name), RUSSIAN.cloud(cloud.name)) for cloud in CLOUDS]
    assert names[:2] == [("Google Drive", "Google Диск"), ("Yandex Disk", "Яндекс Диск")]
    assert all(english and russian for english, russian in names)
    assert (ENGLISH.into_cloud("yadisk"), RUSSIAN.into_cloud("google_drive")) == ("to Yandex Disk", "на Google Диск")
    assert (ENGLISH.into_cloud("none"), RUSSIAN.into_cloud("none")) == ("to your cloud", "в ваше облако")


@EVERY_LANGUAGE
def test_every_state_has_a_heading(texts: Texts) -> None:
    """Whatever state an archive is in, there is a word for it."""
    assert {str(state) for state in State} <= texts.sentences.keys()


@pytest.mark.parametrize(
    ("number", "english", "russian"),
    [
        (0, "0 photos could not be saved", "Не удалось сохранить 0 фотографий"),
        (1, "1 photo could not be saved", "Не удалось сохранить 1 фотографию"),
        (2, "2 photos could not be saved", "Не удалось сохранить 2 фотографии"),
        (5, "5 photos could not be saved", "Не удалось сохранить 5 фотографий"),
        (11, "11 photos could not be saved", "Не удалось сохранить 11 фотографий"),
        (12, "12 photos could not be saved", "Не удалось сохранить 12 фотографий"),
        (21, "21 photos could not be saved", "Не удалось сохранить 21 фотографию"),
        (24, "24 photos could not be saved", "Не удалось сохранить 24 фотографии"),
        (111, "111 photos could not be saved", "Не удалось сохранить 111 фотографий"),
        (121, "121 photos could not be saved", "Не удалось сохранить 121 фотографию"),
        (1000, "1,000 photos could not be saved", "Не удалось сохранить 1\N{NO-BREAK SPACE}000 фотографий"),
    ],
)
def test_numbers_go_with_their_words(number: int, english: str, russian: str) -> None:
    """The plurals that are easily wrong."""
    assert (english, russian) == (ENGLISH.count("photos_failed", number), RUSSIAN.count("photos_failed", number))


@pytest.mark.parametrize(
    ("size", "english", "russian"),
    [
        (0, "0 bytes", "0 байт"),
        (1, "1 byte", "1 байт"),
        (2, "2 bytes", "2 байта"),
        (999, "999 bytes", "999 байт"),
        (1000, "1 kB", "1 кБ"),
        (1260, "1.3 kB", "1,3 кБ"),
        (9960, "10 kB", "10 кБ"),
        (999_499, "999 kB", "999 кБ"),
        (999_500, "1 MB", "1 МБ"),
        (412_000_000, "412 MB", "412 МБ"),
        (1_300_000_000, "1.3 GB", "1,3 ГБ"),
        (5_000_000_000_000_000, "5000 TB", "5000 ТБ"),
    ],
)
def test_sizes_are_read_like_people_read_them(size: int, english: str, russian: str) -> None:
    """Powers of ten, one decimal below ten, the language's own comma; no line breaks before the unit."""
    space = "\N{NO-BREAK SPACE}"
    assert (english.replace(" ", space), russian.replace(" ", space)) == (ENGLISH.size(size), RUSSIAN.size(size))


def test_what_has_to_be_freed_is_rounded_up() -> None:
    """Who frees as much as they were told has freed enough."""
    assert ENGLISH.size(1_040_000, up=True).startswith("1.1\N{NO-BREAK SPACE}")
    assert ENGLISH.size(12_100_000, up=True).startswith("13")
    assert ENGLISH.size(2_000_000, up=True).startswith("2\N{NO-BREAK SPACE}")


@pytest.mark.parametrize(
    ("seconds", "english", "russian"),
    [
        (0, "less than a minute left", "осталось меньше минуты"),
        (59.9, "less than a minute left", "осталось меньше минуты"),
        (60, "about 1 minute left", "осталось около 1 минуты"),
        (240, "about 4 minutes left", "осталось около 4 минут"),
        (21 * 60, "about 21 minutes left", "осталось около 21 минуты"),
        (5399, "about 90 minutes left", "осталось около 90 минут"),
        (5400, "about 2 hours left", "осталось около 2 часов"),
        (21 * 3600, "about 21 hours left", "осталось около 21 часа"),
        (48 * 3600, "about 2 days left", "осталось около 2 дней"),
    ],
)
def test_time_left_is_as_rough_as_it_is_known(seconds: float, english: str, russian: str) -> None:
    """Minutes up to an hour and a half, hours up to a day and a half, then days."""
    spoken = [texts.time_left(seconds).replace("\N{NO-BREAK SPACE}", " ") for texts in (ENGLISH, RUSSIAN)]
    assert [english, russian] == spoken


def test_the_guests_own_choice_wins() -> None:
    """`?lang=` over the header; a language that is none of ours counts for nothing."""
    assert choose_texts("ru", "en") is ENGLISH
    assert choose_texts("ru", "xx") is RUSSIAN


def test_a_word_from_another_version_is_our_fault() -> None:
    """A worker that is newer may have reasons of its own."""
    assert ENGLISH.reasons[Reason.INTERNAL] == ENGLISH.explain("brand_new")


def test_details_are_not_for_guests() -> None:
    """They are for developers; a guest reads the catalogue's words, and the sizes that are told as numbers."""
    failed = Progress(job_id="x", state=State.FAILED, reason="gallery_unavailable", detail="HTTP 500 at 10.0.0.1")
    line = explain_in_one_line(ENGLISH, failed)
    assert line == "The gallery does not answer. The list of its photos could not be read."
    full = replace(failed, reason="storage_full", detail="storageQuotaExceeded")
    assert "more space" in explain_in_one_line(ENGLISH, full)
    assert "1.3" in explain_in_one_line(ENGLISH, replace(full, needed_bytes=1_300_000_000, free_bytes=5))


@pytest.mark.parametrize(
    ("wish", "language"),
    [
        ("ru", "ru"),
        ("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", "ru"),
        ("en-GB, ru;q=0.9", "en"),
        ("de, ru;q=0.3, en;q=0.2", "ru"),
        ("de", "en"),
        ("", "en"),
        ("*", "en"),
        ("ru;q=0, en;q=0.1", "en"),
        ("ru;q=x", "en"),
        ("RU", "ru"),
        ("en; q=0.5, ru; q=0.8", "ru"),
        ("ru;q=nan", "en"),
        (";;;,,;q=", "en"),
    ],
)
def test_the_best_liked_of_our_languages_is_spoken(wish: str, language: str) -> None:
    """By weight, English when in doubt, whatever the header holds."""
    assert choose_texts(wish).language == language
