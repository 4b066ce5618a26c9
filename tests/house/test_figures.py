"""The figures of the house stay within their limits (design, section 5).

``python -m tests.house.figures --list`` prints what counts.
"""

from __future__ import annotations

import pytest

from tests.house import figures

# At most so many of each.
CEILINGS = dict.fromkeys(("circles", "touches", "modules", "undocumented", "obscure", "vague"), 0)
MAX_ANY_PERCENT = 10  # also with the names that stand for types with Any in them
MAX_FUNCTION_LINES = 20


@pytest.mark.parametrize("name", CEILINGS)
def test_no_more_than(name):
    find, _ = figures.FIGURES[name]
    found = find()
    assert len(found) <= CEILINGS[name], "\n".join(found)


def test_few_public_signatures_say_any():
    found = figures.with_any(figures.aliases_of_any())
    assert figures.percent(found) <= MAX_ANY_PERCENT, "\n".join(found)


def test_nine_functions_in_ten_are_short():
    assert figures.ninth_tenth() <= MAX_FUNCTION_LINES, "\n".join(figures.lengths()[:200])


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "e"}, "e": set()}
    assert figures.circles_in(graph) == [{"a", "b", "c"}]
