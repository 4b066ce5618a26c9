"""Wrong input is told in one line, with exit code 2: no usage above it, and no traceback."""

from __future__ import annotations

import sqlite3

import pytest

from meterguard.stores.sqlite_ledger import SqliteLedger
from tests.cli.conftest import COMMANDS, told

FILES = {
    "deep.json": "[" * 5000 + "]" * 5000,
    "deep.toml": "a = " + "[" * 5000 + "]" * 5000,
    "long.json": '{"licenses": ' + "9" * 5000 + "}",
    "half.json": '{"licenses": [{}]}',
    "nul.json": "\0",
}


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


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("more", [["--no-such"], ["too", "many"]])
def test_options_and_arguments_that_no_command_has(run, command, more):
    assert f"See 'meterguard {command} --help'." in told(run(command, *more))


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("memory://", "lives in the process that draws"),
        ("memory:", "no ledger has such a URL"),
        ("sqlite:///missing.db", "there is no ledger at missing.db"),
        ("sqlite:///missing/ledger.db", "there is no ledger at missing/ledger.db"),
        ("sqlite:///nul.json/ledger.db", "nul.json/ledger.db"),
        ("sqlite:///empty.db", "the file empty.db is empty"),
        ("sqlite:///nul.json", "too small for a ledger"),
        ("sqlite:///two\nlines.db", "there is no ledger at two"),
        ("sqlite:///" + "x" * 5000, "File name too long"),
        ("sqlite:ledger.db", "there is no ledger"),
        ("sqlite://secret@host/ledger.db", "sqlite:///relative.db"),
        ("sqlite:///", "names no file"),
        ("postgresql://user:secret@host/db", "no ledger has such a URL"),
        ("redis://:secret@host:no/0", "redis"),
        ("ledger.db", "no ledger has such a URL"),
        ("\udcff", "no ledger has such a URL"),
    ],
)
def test_a_url_of_no_ledger(run, files, tmp_path, url, complaint):
    (tmp_path / "empty.db").touch()
    before = set(tmp_path.iterdir())
    line = told(run("usage", "--ledger", url))
    assert line.startswith("Error: Invalid value for '--ledger': ")
    assert complaint in line
    assert "secret" not in line
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", [["status"], ["release", "--orphans"]])
@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("memory://", "lives in the process that takes leases"),
        ("memory:", "no store of leases has such a URL"),
        ("sqlite:///missing.db", "there is no lease store at missing.db"),
        ("sqlite:///empty.db", "the file empty.db is empty"),
        ("sqlite://secret@host/leases.db", "sqlite:///relative.db"),
        ("postgresql://user:secret@[/db", "postgresql://"),
        ("dynamodb://a?secret=1", "dynamodb://TABLE"),
        ("redis://:secret@host:no/0", "redis"),
        ("tape://:secret@host", "no store of leases has such a URL"),
        ("\udcff", "no store of leases has such a URL"),
    ],
)
def test_a_url_of_no_store(run, files, tmp_path, command, url, complaint):
    (tmp_path / "empty.db").touch()
    before = set(tmp_path.iterdir())
    line = told(run(*command, "--store", url))
    assert line.startswith("Error: Invalid value for '--store': ")
    assert complaint in line
    assert "secret" not in line
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", [["status"], ["release", "--orphans"]])
def test_a_store_that_cannot_be_read(run, files, command):
    assert "deep.json" in told(run(*command, "--store", "sqlite:///deep.json"), code=1)
    line = told(run(*command, "--store", "redis://:secret@127.0.0.1:1/0"), code=4)
    assert "127.0.0.1:1" in line
    assert "secret" not in line


@pytest.mark.parametrize("name", ["folder", "deep.json"])
def test_a_file_that_is_no_ledger(run, files, tmp_path, name):
    before = (tmp_path / name).is_file() and (tmp_path / name).read_bytes()
    assert name in told(run("usage", "--ledger", f"sqlite:///{name}"), code=1)
    assert ((tmp_path / name).is_file() and (tmp_path / name).read_bytes()) == before


def test_a_server_that_is_not_there(run):
    line = told(run("usage", "--ledger", "redis://:secret@127.0.0.1:1/0"), code=4)
    assert "127.0.0.1:1" in line
    assert "secret" not in line


def test_a_picture_that_cannot_be_written(run, tmp_path):
    ledger = SqliteLedger(str(tmp_path / "ledger.db"))
    ledger.post([])
    ledger.close()
    (tmp_path / "full.svg").symlink_to("/dev/full")
    line = told(run("usage", "--ledger", "sqlite:///ledger.db", "--plot", "full.svg"), code=1)
    assert line == "Error: full.svg cannot be written: No space left on device"


def test_a_picture_with_a_name_that_no_file_can_have(run):
    line = told(run("usage", "--ledger", "sqlite:///ledger.db", "--plot", "x" * 300 + ".svg"))
    assert "Invalid value for '--plot': " in line
