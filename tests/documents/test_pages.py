"""How pages are made: what fits on one, what links where, what no page may say."""

from __future__ import annotations

import re

import pytest

from tests.documents.pages import DOCS, PAGES, blocks
from tests.house.source import ROOT

WIDTH = 86  # columns of code that the theme shows without scrolling


@pytest.mark.parametrize("language", ["python", "console", "json", "toml", "yaml"])
def test_code_fits_the_page(language):
    wide = [
        f"{block.place}: {line}"
        for block in blocks(language)
        for line in block.text.splitlines()
        if len(line) > WIDTH and not line.startswith("export ")
    ]
    assert wide == []


def test_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text("utf-8")
    links = re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)|(?:src|srcset)=\"([^\"]+)\"", text)
    targets = [one or other for one, other in links if not (one or other).startswith("https:")]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_every_page_is_in_the_table_of_contents():
    entries = re.findall(r"^(?:.+ <)?([\w/-]+)>?$", (DOCS / "index.md").read_text("utf-8"), re.MULTILINE)
    pages = {str(page.relative_to(DOCS).with_suffix("")) for page in PAGES if DOCS in page.parents}
    assert pages - {"index"} <= set(entries)


def test_every_example_is_shown():
    shown = re.findall(r"literalinclude\} \.\./examples/(\w+\.py)", (DOCS / "examples.md").read_text("utf-8"))
    assert sorted(shown) == sorted(path.name for path in (ROOT / "examples").glob("*.py"))


# Things of the design that are not there yet: a reader who is told to use them is stuck.
NOT_YET = (
    "meterguard console",
    "meterguard explain",
    "meterguard manifest",
)


@pytest.mark.parametrize("name", NOT_YET)
def test_no_page_promises_what_is_not_there(name):
    assert [page.name for page in PAGES if name in page.read_text("utf-8")] == []
