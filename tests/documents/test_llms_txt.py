"""llms.txt has each page of the documentation, where the table of contents has it, by its title and with a line."""

from __future__ import annotations

import re

from tests.documents.pages import DOCS

TEXT = (DOCS / "llms.txt").read_text("utf-8")
CONTENTS = (DOCS / "index.md").read_text("utf-8")
LINE = re.compile(r"- \[(?P<title>[^\]]+)\]\((?P<page>[\w/-]+)\.html\): (?P<what>.+)")
ELSEWHERE = {"changelog": "Changelog", "contributing": "Contributing"}  # pages that include a file of another place


def sections():
    """The lines of each section."""
    found = re.findall(r"^## (.+)\n\n((?:- .+\n)+)", TEXT, re.MULTILINE)
    return {caption: [LINE.fullmatch(line) for line in lines.splitlines()] for caption, lines in found}


def tables():
    """The pages of each table of contents. The first one has no caption."""
    for table in re.findall(r"```\{toctree\}\n(.+?)```", CONTENTS, re.DOTALL):
        caption = re.search(r"^:caption: (.+)$", table, re.MULTILINE)
        entries = re.findall(r"^(?:.+ <)?([\w/-]+)>?$", table, re.MULTILINE)
        yield caption[1] if caption else "Tutorials", entries


def title(page):
    return ELSEWHERE.get(page) or re.search(r"^# (.+)$", (DOCS / f"{page}.md").read_text("utf-8"), re.MULTILINE)[1]


def test_it_begins_as_such_files_do():
    assert re.match(r"# meterguard\n\n> .+\n\n.+\n\n## ", TEXT)


def test_every_page_has_a_line_under_the_caption_that_it_has_in_the_index():
    listed = {caption: sorted(line["page"] for line in lines) for caption, lines in sections().items()}
    assert listed == {caption: sorted(pages) for caption, pages in tables()}


def test_each_line_names_its_page_by_its_title_and_is_short():
    lines = [line for section in sections().values() for line in section]
    assert {line["page"]: line["title"] for line in lines} == {line["page"]: title(line["page"]) for line in lines}
    assert [line[0] for line in lines if len(line["what"]) > 120] == []


def test_it_is_served_at_the_root():
    assert 'html_extra_path = ["llms.txt"]' in (DOCS / "conf.py").read_text("utf-8")
