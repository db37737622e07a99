"""Every word that a guest reads from us, in every language we have. Knows no HTTP and no page.

A language is a module here with one `Texts`, and one line in `LANGUAGES`.
"""

import re

from common.errors import Reason
from web.texts.en import ENGLISH
from web.texts.grammar import Explanation, Texts
from web.texts.ru import RUSSIAN

__all__ = [
    "ENGLISH",
    "LANGUAGES",
    "RUSSIAN",
    "Explanation",
    "Texts",
    "choose_language",
    "explain_in_one_line",
    "read_space",
]

LANGUAGES = {texts.language: texts for texts in (ENGLISH, RUSSIAN)}

# The detail of a job that did not fit, as `worker.archive` words it.
_SPACE = re.compile(r"(\d{1,18}) bytes needed, (\d{1,18}) free")


def choose_language(accept_language: str, chosen: str = "") -> str:
    """Return the one of our languages that a guest likes best; English when they like none of them.

    Args:
        accept_language: the header of that name.
        chosen: what the guest chose on the page, which wins if it is one of ours.
    """
    if chosen in LANGUAGES:
        return chosen
    wishes = [_read_wish(word) for word in accept_language.split(",")]
    ours = [(weight, language) for language, weight in wishes if language in LANGUAGES and weight > 0]
    # The first of several that are liked alike.
    return max(ours, key=lambda wish: wish[0], default=(0.0, ENGLISH.language))[1]


def explain_in_one_line(texts: Texts, reason: str, detail: str) -> str:
    """Return a reason as a line of prose.

    Args:
        texts: of the language.
        reason: the stable word.
        detail: as a worker told it; only sizes are taken from it.
    """
    explained = texts.explain(reason)
    space = read_space(detail) if reason == Reason.STORAGE_FULL else None
    told = texts.say("space", needed=texts.size(space[0]), free=texts.size(space[1])) if space else explained.cause
    return f"{explained.title}. {told}"


def read_space(detail: str) -> tuple[int, int] | None:
    """Return the bytes that are needed and the bytes that are free, if a detail tells them."""
    found = _SPACE.fullmatch(detail)
    return (int(found[1]), int(found[2])) if found else None


def _read_wish(word: str) -> tuple[str, float]:
    """Read one entry of Accept-Language (RFC 9110, section 12.5.4)."""
    tag, _, weight = word.strip().lower().partition(";")
    try:
        wish = float(weight.strip().removeprefix("q=") or 1)
    except ValueError:
        wish = 0.0
    return tag.strip().partition("-")[0], wish
