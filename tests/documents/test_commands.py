"""The commands that pages show exist, and say what the pages say that they say."""

from __future__ import annotations

import doctest
import re
import signal
import subprocess
import sys
import tomllib

import pytest
from click.testing import CliRunner

from meterguard.cli.commands import meterguard
from tests.documents.pages import DOCS, blocks
from tests.house.source import ROOT

COMMANDS = [
    (block.place, command)
    for block in blocks("console")
    for command in re.findall(r"^\$ (.+)$", block.text, re.MULTILINE)
]


def helps():
    """Each help text shown, with the command for it."""
    for block in blocks("console"):
        match = re.fullmatch(r"\$ meterguard ?(.*) ?--help\n(.*)", block.text, re.DOTALL)
        if match:
            yield pytest.param(match[1].split(), match[2], id=f"meterguard {match[1]}")


@pytest.mark.parametrize(("command", "shown"), list(helps()))
def test_a_help_text_is_the_one_that_is_printed(command, shown):
    printed = CliRunner().invoke(meterguard, [*command, "--help"], prog_name="meterguard", terminal_width=80)
    assert shown == printed.output


def test_every_command_is_on_the_page():
    headings = re.findall(r"^## meterguard (\w+)$", (DOCS / "reference/cli.md").read_text("utf-8"), re.MULTILINE)
    assert headings == sorted(meterguard.commands)


def test_the_emulator_says_what_the_page_says():
    shown = next(block.text for block in blocks("console") if block.text.startswith("$ meterguard emulator\nL"))
    command = [sys.executable, "-m", "meterguard", "emulator", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        running.stderr.readline()
        running.send_signal(signal.SIGINT)
        printed, _ = running.communicate(timeout=30)
    port = re.search(r"127\.0\.0\.1:(\d+)", printed)[1]
    assert shown == "$ meterguard emulator\n" + printed.replace(port, "4020").rstrip() + "\n"


def test_options_that_are_shown_are_known():
    for place, command in COMMANDS:
        name, *arguments = command.split("#")[0].split()
        if name == "meterguard" and arguments and arguments[0] in meterguard.commands:
            known = {option for parameter in meterguard.commands[arguments[0]].params for option in parameter.opts}
            shown = {argument for argument in arguments if argument.startswith("--")} - {"--help"}
            assert shown <= known, place


def test_borrowing_and_returning_say_what_the_page_says(lm, monkeypatch, tmp_path):
    lines = [("Seats", 5, "Count"), ("Export", None, "None")]
    licence = lm.add_license("ACME-9", lines, borrow_ttl=86_400, borrow_early_check_in=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("METERGUARD_PRODUCT_SKU", licence.product_sku)
    monkeypatch.setenv("METERGUARD_KEY_FINGERPRINT", licence.key_fingerprint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_LICENSE_MANAGER", lm.url)
    (tmp_path / "issuer.pem").write_text(licence.public_key_pem)
    page = "".join(block.text for block in blocks("console") if "work-offline" in block.place)
    shown = re.findall(r"^\$ meterguard (.+)\n((?:[^$].*\n)+)", page, re.MULTILINE)
    assert [command.split()[0] for command, _ in shown] == ["borrow", "return"]
    for command, output in shown:
        done = CliRunner().invoke(meterguard, command.split())
        assert doctest.OutputChecker().check_output(output, done.stdout, doctest.ELLIPSIS), done.output
    assert lm.usage("ACME-9") == {"Seats": 0}


def test_make_targets_that_are_shown_exist():
    targets = re.search(r"^\.PHONY:(.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)[1].split()
    shown = {command.split()[1] for _, command in COMMANDS if command.startswith("make ")}
    assert shown
    assert shown <= set(targets)


def test_extras_that_are_shown_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    shown = {
        extra
        for _, command in COMMANDS
        for group in re.findall(r"meterguard\[([\w,]+)\]", command)
        for extra in group.split(",")
    }
    assert shown
    assert shown <= set(extras)


def test_the_readme_opens_with_the_two_commands():
    first = next(block for block in blocks("console") if block.place.startswith("README.md"))
    assert [line.split("#")[0].strip() for line in first.text.splitlines()] == ["$ make demo", "$ make test"]
