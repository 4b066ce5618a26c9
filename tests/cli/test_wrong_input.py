"""Wrong input is told in one line, with exit code 2: no usage above it, and no traceback."""

from __future__ import annotations

import sqlite3

import pytest

FILES = {
    "deep.json": "[" * 5000 + "]" * 5000,
    "deep.toml": "a = " + "[" * 5000 + "]" * 5000,
    "long.json": '{"licenses": ' + "9" * 5000 + "}",
    "half.json": '{"licenses": [{}]}',
    "nul.json": "\0",
}


def told(done, code=2):
    assert (done.returncode, done.stdout) == (code, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


@pytest.fixture
def files(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "folder").mkdir()


@pytest.mark.parametrize("option", ["--seed", "--policy"])
@pytest.mark.parametrize("name", [*FILES, "folder", "missing.json", "two\nlines.json"])
def test_a_file_that_cannot_be_read(run, files, option, name):
    if option == "--policy" and name == "half.json":
        name = "deep.json"
    assert f"Invalid value for '{option}': " in told(run("emulator", "--port", 0, option, name))


def test_a_state_file_with_a_licence_that_is_none(run, serving, tmp_path):
    with serving("--state", "state.db") as emulator:
        emulator.stop()
    with sqlite3.connect(tmp_path / "state.db") as state:
        assert state.execute("UPDATE licenses SET document = '{}'").rowcount == 1
    state.close()
    assert "state.db" in told(run("emulator", "--port", 0, "--state", "state.db"), code=1)


@pytest.mark.parametrize("name", ["folder", "missing/state.db"])
def test_a_state_file_that_cannot_be_made(run, files, name):
    assert name in told(run("emulator", "--port", 0, "--state", name), code=2 if name == "folder" else 1)


@pytest.mark.parametrize(
    "app", ["", ":", "os:", ":x", ".:x", "os", "os:no_such", "os:getcwd()", "\udcff:x", "two\nlines:x"]
)
def test_a_name_that_leads_to_no_application(run, app):
    assert "Invalid value for '--app': " in told(run("doctor", "--app", app))


@pytest.mark.parametrize("command", ["demo", "doctor", "emulator"])
@pytest.mark.parametrize("more", [["--no-such"], ["too", "many"]])
def test_options_and_arguments_that_no_command_has(run, command, more):
    assert f"See 'meterguard {command} --help'." in told(run(command, *more))
