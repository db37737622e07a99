"""Every word that a guest reads, in every language.

A language is a module here with one `Texts`, and one line in `LANGUAGES`.
"""

from common.messages.progress import Progress
from web.texts.en import ENGLISH
from web.texts.grammar import Explanation, Texts
from web.texts.ru import RUSSIAN

__all__ = [
    "ENGLISH",
    "LANGUAGES",
    "RUSSIAN",
    "Explanation",
    "Texts",
    "choose_texts",
    "explain_in_one_line",
    "say_space",
]

LANGUAGES = {texts.language: texts for texts in (ENGLISH, RUSSIAN)}


def choose_texts(accept_language: str, chosen: str = "") -> Texts:
    """Return the language that a guest prefers; English when they prefer none of ours.

    Args:
        accept_language: the header of that name.
        chosen: the language chosen on the page, which wins if it is one of ours.
    """
    if chosen in LANGUAGES:
        return LANGUAGES[chosen]
    preferences = [_read_preference(entry) for entry in accept_language.split(",")]
    ours = [(weight, language) for language, weight in preferences if language in LANGUAGES and weight > 0]
    # The first of several with the same weight.
    return LANGUAGES[max(ours, key=lambda each: each[0], default=(0.0, ENGLISH.language))[1]]


def explain_in_one_line(texts: Texts, progress: Progress) -> str:
    """Return why an archive waits or ended, as one line.

    Args:
        texts: of the language.
        progress: has a reason.
    """
    explained = texts.explain(progress.reason)
    return f"{explained.title}. {next(iter(say_space(texts, progress)), explained.cause)}"


def say_space(texts: Texts, progress: Progress) -> list[str]:
    """Return sentences about the space that a full cloud lacks, as far as known; none when it is not full."""
    needed, free = progress.needed_bytes, progress.free_bytes
    if needed is None or needed <= 0:
        return []
    if free is None:
        return [texts.say("space_needed", needed=texts.size(needed, up=True))]
    missing = texts.size(max(needed - free, 0), up=True)
    return [
        texts.say("space", needed=texts.size(needed), free=texts.size(free)),
        texts.say("space_missing", missing=missing),
    ]


def _read_preference(entry: str) -> tuple[str, float]:
    """Read one entry of Accept-Language (RFC 9110, section 12.5.4)."""
    tag, _, weight = entry.strip().lower().partition(";")
    try:
        preference = float(weight.strip().removeprefix("q=") or 1)
    except ValueError:
        preference = 0.0
    return tag.strip().partition("-")[0], preference
