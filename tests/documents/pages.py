"""Pages as tests see them: Markdown files, the fenced blocks in them, and how each kind of block is run."""

from __future__ import annotations

import contextlib
import doctest
import io
import re
from dataclasses import dataclass
from itertools import count
from typing import Any

from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers import myst, rest

from tests.house.source import PATHS, ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)]

_PRINTED = "_printed"
_FLAGS = doctest.ELLIPSIS | doctest.REPORT_NDIFF


def _run(example: Example) -> None:
    """Run a ``python`` block, and keep what it prints for the block that shows it."""
    check_all_is_shown(example.namespace)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        PythonEvaluator()(example)
    example.namespace[_PRINTED] = printed.getvalue()


def _compare(example: Example) -> str | None:
    """A ``text`` block is what the ``python`` block before it printed, with ``...`` for what differs."""
    got = example.namespace.pop(_PRINTED, "")
    want = str(example.parsed)
    checker = doctest.OutputChecker()
    if checker.check_output(want, got, _FLAGS):
        return None
    return checker.output_difference(doctest.Example("", want), got, _FLAGS)


def check_all_is_shown(namespace: dict[str, Any]) -> None:
    """What a snippet prints is shown below it: a reader wants to know what to expect."""
    printed = namespace.pop(_PRINTED, "")
    assert not printed, f"printed, and not shown in a text block:\n{printed}"


MARKDOWN = Sybil(
    parsers=[
        myst.CodeBlockParser("python", _run),
        myst.CodeBlockParser("text", _compare),
        myst.SkipParser(),
    ]
)
DOCSTRINGS = Sybil(parsers=[rest.DocTestParser(), rest.PythonCodeBlockParser(), rest.SkipParser()])


def documents():
    """Every page and module with something to run."""
    parsed = [*map(MARKDOWN.parse, PAGES), *map(DOCSTRINGS.parse, PATHS)]
    return [(document.path.removeprefix(f"{ROOT}/"), document) for document in parsed if any(document.examples())]


@dataclass(frozen=True)
class Block:
    """A fenced block that is no Python: where it stands, its language, its text."""

    place: str
    language: str
    text: str


_FENCED = re.compile(r"^(?P<fence>`{3,})(?P<language>\w+)\n(?P<text>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[Block]:
    """The blocks in that language, of all pages."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        numbers = count(1)
        for match in _FENCED.finditer(text):
            if match["language"] == language:
                place = f"{page.relative_to(ROOT)}:{next(numbers)}"
                found.append(Block(place, language, match["text"]))
    return found
