"""`.venv/bin/python -m web.texts`: print every sentence a guest can read, as docs/guest-texts.md has it."""

import sys
from collections.abc import Iterable, Iterator

from common.clouds import CLOUDS
from common.errors import Reason
from web.texts import ENGLISH, RUSSIAN, Texts
from web.texts.grammar import NBSP

# One number for each form that either language has, so that all of them are read.
_NUMBERS = (1, 2, 5, 21)
_SECONDS = (20, 720, 7500, 90_000)
_HEAD = """# What a guest reads

Every sentence of the pages, in both languages, for whoever edits them. Made by
`.venv/bin/python -m web.texts`, whose output is this file; a test compares. To change a sentence, change it in
`web/texts/en.py` or `web/texts/ru.py` under the same key. What stands in braces is put in by the page.
"""


def write_table() -> str:
    """Return the whole document."""
    return "\n".join(
        [
            _HEAD,
            *_write_part("Sentences", _list_sentences()),
            *_write_part("With numbers", _list_numbers()),
            *_write_part("Clouds", _list_clouds()),
            *_write_part("Reasons: what, why, and what to do", _list_reasons()),
        ]
    )


def _write_part(title: str, rows: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    yield from (f"## {title}", "", f"| key | {ENGLISH.name} | {RUSSIAN.name} |", "|---|---|---|")
    for key, english, russian in rows:
        yield f"| `{key}` | {_show(english)} | {_show(russian)} |"
    yield ""


def _show(text: str) -> str:
    return text.replace(NBSP, " ").replace("|", "\\|")


def _list_sentences() -> Iterator[tuple[str, str, str]]:
    for key, sentence in ENGLISH.sentences.items():
        yield key, sentence, RUSSIAN.sentences[key]


def _list_numbers() -> Iterator[tuple[str, str, str]]:
    def say(texts: Texts, key: str) -> str:
        return "<br>".join(texts.count(key, number) for number in _NUMBERS)

    for key in ENGLISH.forms:
        yield key, say(ENGLISH, key), say(RUSSIAN, key)
    english, russian = ("<br>".join(texts.duration(each) for each in _SECONDS) for texts in (ENGLISH, RUSSIAN))
    yield "duration", english, russian


def _list_clouds() -> Iterator[tuple[str, str, str]]:
    for name in (*(cloud.name for cloud in CLOUDS), "another"):
        yield name, ENGLISH.into_cloud(name), RUSSIAN.into_cloud(name)


def _list_reasons() -> Iterator[tuple[str, str, str]]:
    for reason in Reason:
        english, russian = ENGLISH.reasons[reason], RUSSIAN.reasons[reason]
        yield reason, f"**{english.title}**", f"**{russian.title}**"
        yield f"{reason}: why", english.cause, russian.cause
        yield f"{reason}: what to do", english.next_step, russian.next_step


if __name__ == "__main__":
    sys.stdout.write(write_table())
