"""Plurals, numbers, sizes and durations in words, for any language."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from common.clouds import find_cloud
from common.errors import Reason

# Between a number and its unit, so that no line breaks there.
NBSP = "\N{NO-BREAK SPACE}"
# Clouds and phones measure in powers of ten.
_STEP = 1000
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


@dataclass(frozen=True)
class Explanation:
    """Why something did not happen, for a guest: what, why, and what they can do."""

    title: str
    cause: str
    next_step: str


@dataclass(frozen=True, kw_only=True)
class Texts:
    """One language.

    Args:
        language: its tag, BCP 47.
        name: in the language itself.
        plural: index of the form that goes with a number, https://cldr.unicode.org/index/cldr-spec/plural-rules.
        forms: words with a number `{n}`, in all plural forms.
        decimal, thousands: separators in numbers.
        units: of sizes, each a thousand times the one before, from kilobytes on.
        sentences: everything else.
        reasons: every reason, explained.
    """

    language: str
    name: str
    plural: Callable[[int], int]
    forms: Mapping[str, tuple[str, ...]]
    decimal: str
    thousands: str
    units: tuple[str, ...]
    sentences: Mapping[str, str]
    reasons: Mapping[Reason, Explanation]

    def say(self, key: str, **values: str) -> str:
        """Return a sentence."""
        return self.sentences[key].format(**values)

    def count(self, key: str, number: int) -> str:
        """Return a number with its word in the right plural form."""
        return self.forms[key][self.plural(number)].format(n=f"{number:,}".replace(",", self.thousands))

    def cloud(self, cloud_type: str) -> str:
        """Return what guests call a cloud; empty for one that nobody knows."""
        cloud = find_cloud(cloud_type)
        return cloud.title_in(self.language) if cloud else ""

    def into_cloud(self, cloud_type: str) -> str:
        """Return "to this cloud"; "to your cloud" for one that has no name here."""
        name = self.cloud(cloud_type)
        return self.say("into_cloud", cloud=name) if name else self.say("into_some_cloud")

    def explain(self, reason: str) -> Explanation:
        """Return the explanation of a reason; an unknown one is explained as an internal error."""
        known = reason in set(Reason)
        return self.reasons[Reason(reason) if known else Reason.INTERNAL]

    def size(self, size: int, *, up: bool = False) -> str:
        """Return bytes the way people read them: `412 MB`, `1.3 GB`; rounded up if `up`."""
        if size < _STEP:
            return self.count("bytes", size)
        value, unit = size / _STEP, 0
        # 999.6 would be rounded to 1000: the next unit.
        while round(value) >= _STEP and unit + 1 < len(self.units):
            value, unit = value / _STEP, unit + 1
        decimals = 1 if value < 9.95 else 0
        rounded = math.ceil(value * 10**decimals) / 10**decimals if up else value
        text = f"{rounded:.{decimals}f}".removesuffix(".0")
        return f"{text.replace('.', self.decimal)}{NBSP}{self.units[unit]}"

    def duration(self, seconds: float) -> str:
        """Return how long something took, in two units: `2 h 5 min`; never nothing."""
        minutes = round(seconds / _MINUTE)
        if minutes < 1:
            return self.say("moments")
        (days, rest), units = divmod(minutes, 24 * 60), self.say("duration_units").split()
        parts = [each for each in zip((days, *divmod(rest, 60)), units, strict=True) if each[0]]
        return " ".join(f"{number}{NBSP}{unit}" for number, unit in parts[:2])

    def time_until(self, seconds: float) -> str:
        """Return in how many minutes something happens."""
        minutes = round(seconds / _MINUTE)
        return self.count("minutes_until", minutes) if minutes > 0 else self.say("moments_until")

    def time_left(self, seconds: float) -> str:
        """Return a remaining time, rounded to minutes, hours or days."""
        if seconds < _MINUTE:
            return self.say("moments_left")
        for key, unit, up_to in (("minutes_left", _MINUTE, 1.5 * _HOUR), ("hours_left", _HOUR, 1.5 * _DAY)):
            if seconds < up_to:
                return self.count(key, round(seconds / unit))
        return self.count("days_left", round(seconds / _DAY))
