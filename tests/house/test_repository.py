"""What is committed works on any machine: it names no path of one, and no package index."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.house.source import ROOT

MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:work|root|farm)/")
PACKAGE_INDEX = re.compile(
    r"--(?:extra-)?index-url|--find-(?:links)|https?://[^\s\"')>]*(?:pypi|pythonhosted|npmjs|debian\.org)",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def committed():
    """The files that git has or would take."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no git repository here")
    names = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in names.split("\0") if (path := ROOT / name).is_file()]


@pytest.mark.parametrize("pattern", [MACHINE_PATH, PACKAGE_INDEX], ids=["machine path", "package index"])
def test_no_file_names_a(pattern, committed):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path in committed
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
        if (match := pattern.search(line))
    ]
    assert found == [], "\n".join(found)
