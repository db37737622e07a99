"""Hypothesis strategies for untrusted JSON: anything, or nearly what is expected."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

# All that JSON can spell: lone surrogates and numbers beyond every limit as well.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
# What parsers fail on, and chance seldom generates.
EDGE_CASES: list[Any] = [
    "\ud800",
    "http://[",
    "1e999",
    "-1",
    "0",
    "",
    "NaN",
    10**400,
    -1,
    1e999,
    -1e999,
    True,
    [],
    {},
    1e15,
    253402300800,
]
ANY_JSON = st.recursive(
    st.sampled_from(EDGE_CASES) | st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=10,
)


def mutated(sample: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects like a sample, with some fields left out or replaced by anything."""
    fields = {name: st.just(value) | st.sampled_from(EDGE_CASES) | ANY_JSON for name, value in sample.items()}
    return st.fixed_dictionaries({}, optional=fields) | st.fixed_dictionaries(fields)
