"""The requests that pages make with curl are answered as the pages say."""

from __future__ import annotations

import doctest
import re
import shutil
import subprocess

import pytest

from meterguard.cli.serving import DOCUMENTED
from meterguard.emulator import Emulator
from meterguard.emulator.admin.actions import ACTIONS
from tests.documents.pages import DOCS, blocks

PAGE = "docs/how-to/steer-the-emulator.md"
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def commands():
    """Each command of the page with the output that it shows."""
    return [
        match for block in blocks("console") if block.place.startswith(PAGE) for match in COMMAND.findall(block.text)
    ]


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_each_command_prints_what_stands_below_it(environment):
    checker = doctest.OutputChecker()
    with Emulator(seed=DOCUMENTED) as lm:
        curls = [(command, shown) for command, shown in commands() if command.startswith("curl ")]
        assert len(curls) > 10
        for command, shown in curls:
            here = command.replace("localhost:4020", f"localhost:{lm.port}").replace(
                "curl ", "curl -4 --noproxy '*' ", 1
            )
            done = subprocess.run(here, shell=True, capture_output=True, text=True, check=True, timeout=20)
            example = doctest.Example("", shown)
            got = done.stdout.rstrip() + "\n"
            assert checker.check_output(shown, got, FLAGS), checker.output_difference(example, got, FLAGS)


def test_the_table_has_all_there_is():
    text = (DOCS.parent / PAGE).read_text("utf-8")
    shown = {one for row in text.splitlines() if row.startswith("| `") for one in re.findall(r"`([A-Z]+ /.*?)`", row)}
    assert shown == {f"{one.method} {one.path}" for one in ACTIONS}
