"""The pictures that are committed are those that the code draws."""

from __future__ import annotations

import importlib.util
import sys
from xml.etree import ElementTree as ET

import pytest

from tests.documents.pages import DOCS


@pytest.fixture(scope="module")
def diagrams():
    spec = importlib.util.spec_from_file_location("diagrams", DOCS / "diagrams.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_pictures_are_current(diagrams):
    committed = {path.name: path.read_text("utf-8") for path in diagrams.IMAGES.glob("*.svg")}
    assert committed == diagrams.drawn(), "run: python docs/diagrams.py"


def test_pictures_are_well_formed_and_say_what_they_show(diagrams):
    for svg in diagrams.drawn().values():
        root = ET.fromstring(svg)
        assert root.get("aria-label")


def test_every_edge_of_the_table_is_drawn_or_told(diagrams):
    drawn, told = diagrams.edges(), diagrams.everywhere()
    for state, row in diagrams.TABLE.items():
        for signal, target in row.items():
            assert target is state or signal in told or signal in drawn[state, target]


def test_text_can_be_read_in_both_themes(diagrams):
    for theme in diagrams.THEMES:
        pairs = [(theme.ink, theme.page), (theme.faint, theme.page)]
        pairs += [(getattr(theme, f"{kind}_ink"), getattr(theme, kind)) for kind in ("good", "fair", "bad", "still")]
        assert min(contrast(*pair) for pair in pairs) >= 4.5


def contrast(one, other):
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour):
    """As WCAG 2 has it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
