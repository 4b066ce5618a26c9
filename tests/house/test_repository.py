"""What is committed works on any machine: it names no path of one, and no package index."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib

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


def test_every_action_is_pinned_to_a_commit():
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    used = [line.strip() for path in workflows for line in path.read_text("utf-8").splitlines() if "uses:" in line]
    assert len(used) > 5
    pinned = re.compile(r"- uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [line for line in used if not pinned.fullmatch(line)] == []


def test_the_citation_names_the_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert f"\nversion: {project['version']}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
