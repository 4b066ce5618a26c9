"""CONTRIBUTING names files that are there, and marks those that are to come."""

from __future__ import annotations

import re

from tests.house.source import ROOT

ROW = re.compile(r"^\| .+? \| `(meterguard/[^`]+)` \| (.+) \|$", re.MULTILINE)


def test_each_of_the_twelve_changes_begins_in_a_file():
    rows = ROW.findall((ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert len(rows) == 12
    to_come = {path for path, says in rows if says.startswith("new file")}
    assert [path for path, _ in rows if path not in to_come and not (ROOT / path).is_file()] == []
    assert [path for path in to_come if (ROOT / path).exists()] == [], "no longer new"
