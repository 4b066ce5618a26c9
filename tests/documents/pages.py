"""Pages as tests see them: Markdown files, the fenced blocks in them, and how each kind of block is run."""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import subprocess
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from unittest import SkipTest

from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers import myst, rest

from tests.house.source import PATHS, ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)]

_PRINTED = "_printed"
_TEST = re.compile(r"^@pytest\.fixture|^def test_", re.MULTILINE)
_FLAGS = doctest.ELLIPSIS | doctest.REPORT_NDIFF


def _run(example: Example) -> None:
    """Run a ``python`` block, and keep what it prints for the block that shows it."""
    check_all_is_shown(example.namespace)
    if "_tests" in example.namespace or _TEST.search(example.parsed):
        example.namespace.setdefault("_tests", []).append(str(example.parsed))
        return
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


def run_tests_shown(namespace: dict[str, Any], folder: str | Path) -> None:
    """A page that shows a fixture or a test shows a test file, in pieces: put together, it passes."""
    pieces = namespace.pop("_tests", [])
    if pieces:
        file = Path(folder) / "test_shown.py"
        file.write_text("\n\n".join(pieces), "utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", file]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def check_all_is_shown(namespace: dict[str, Any]) -> None:
    """What a snippet prints is shown below it: a reader wants to know what to expect."""
    printed = namespace.pop(_PRINTED, "")
    assert not printed, f"printed, and not shown in a text block:\n{printed}"


def play(path: str, folder: str | Path, namespace: dict[str, Any]) -> None:
    """Run a page from top to bottom."""
    document = (MARKDOWN if path.endswith(".md") else DOCSTRINGS).parse(Path(path))
    document.namespace.update(namespace, __name__="__main__")
    for example in document.examples():
        with contextlib.suppress(SkipTest):  # of a snippet whose framework is not installed
            example.evaluate()
    check_all_is_shown(document.namespace)
    run_tests_shown(document.namespace, folder)


MARKDOWN = Sybil(
    parsers=[
        myst.CodeBlockParser("python", _run),
        myst.CodeBlockParser("text", _compare),
        myst.SkipParser(),
    ]
)
DOCSTRINGS = Sybil(parsers=[rest.DocTestParser(), rest.PythonCodeBlockParser(), rest.SkipParser()])


def documents() -> list[Path]:
    """Every page and module with something to run."""
    pages = [page for page in PAGES if any(MARKDOWN.parse(page).examples())]
    return pages + [path for path in PATHS if any(DOCSTRINGS.parse(path).examples())]


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
