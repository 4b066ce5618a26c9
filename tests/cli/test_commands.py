"""What all commands have in common: help, wrong input, exit codes, what they import."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from meterguard import (
    AuthorizationRefused,
    ConfigurationError,
    EntitlementDenied,
    EntitlementUnavailable,
    UntrustedLease,
    __version__,
)
from meterguard.cli.group import Commands
from tests.cli.conftest import COMMANDS


def test_help_lists_the_commands(run):
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.partition("Commands:\n")[2].splitlines()] == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_each_command_has_help(run, command, option):
    done = run(command, option)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: meterguard {command} [OPTIONS]")
    assert "--json" in done.stdout


def test_the_version_is_the_packages(run):
    assert run("--version").stdout == f"meterguard {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["borrow"], "Missing option '-e' / '--entitlement'"),
        (["borrow", "-e", "Export"], "Missing option '--trusted-key'"),
        (["demo", "--fast"], "No such option '--fast'"),
        (["demo", "extra"], "unexpected extra argument (extra)"),
        (["emulator", "--prot", "1"], "No such option '--prot'"),
        (["emulator", "--port"], "Option '--port' requires an argument"),
        (["emulator", "--port", "http"], "Invalid value for '--port'"),
        (["emulator", "--port", "-1"], "Invalid value for '--port'"),
        (["emulator", "--port", "65536"], "Invalid value for '--port'"),
        (["doctor", "--offline", "--live"], "--offline and --live exclude each other"),
        (["usage"], "no ledger is named: pass --ledger URL, or set METERGUARD_LEDGER"),
        (["usage", "--format", "xml"], "Invalid value for '--format'"),
        (["usage", "--bucket", "week"], "Invalid value for '--bucket'"),
        (["usage", "--by", "customer"], "'customer' is none of entitlement, subject"),
        (["usage", "--by", "entitlement,,subject"], "'' is none of entitlement, subject"),
        (["usage", "--since", "yesterday"], "'yesterday' is no date or time such as 2026-11-29"),
        (["usage", "--since", "2026-02", "--until", "2026-13-01"], "is no date or time such as"),
        (["usage", "--since", "2026-03-01", "--until", "2026-03-01"], "--since must be earlier than --until"),
        (["usage", "--json", "--format", "table"], "--json and --format exclude each other"),
        (["usage", "--reconcile", "--format", "csv"], "--reconcile goes with a table or with --json"),
        (["usage", "--plot", "usage.pdf"], "'usage.pdf' must end with .svg or .png"),
        (["usage", "--plot", "no/usage.svg"], "'no/usage.svg' is a directory, or is in none that exists"),
        (["usage", "--plot", "-", "--json"], "--plot - goes with a table"),
        (["meter"], "say what is to be done: --once or --status"),
        (["meter", "--once", "--status"], "say what is to be done: --once or --status"),
        (["meter", "--once"], "name a sink, as in myapp:sink, or give --product-code and --dimension"),
        (["meter", "--once", "--product-code", "X"], "give --product-code and --dimension"),
        (["meter", "--once", "--dimension", "Pages"], "it must be NAME=DIMENSION, such as Pages=pages"),
        (["meter", "--once", "--product-code", "X", "--dimension", "Pages=pages"], "no ledger is named: pass --ledger"),
        (["meter", "--once", "nothing"], "'nothing' is not of the form module:attribute"),
        (["meter", "--once", "json:dumps"], "json:dumps is a function, and no Sink"),
        (["status"], "no store is named: pass --store URL, or set METERGUARD_STORE"),
        (["release", "--orphans"], "no store is named: pass --store URL, or set METERGUARD_STORE"),
        (["release"], "say what is to be released: meterguard release --orphans"),
        (["return", "--path"], "Option '--path' requires an argument"),
        (["--bogus"], "No such option '--bogus'"),
    ],
)
def test_wrong_usage_is_told_on_stderr(run, arguments, complaint):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.endswith(" --help'.\n")
    assert len(done.stderr.splitlines()) == 1


def test_without_a_command_there_is_help(run):
    done = run()
    assert done.returncode == 2
    assert "Commands:" in done.stdout + done.stderr


PROGRAM = """
import json, sys
from meterguard.cli import main
sys.argv = ["meterguard", *{arguments}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
heavy = {{"boto3", "botocore", "starlette", "uvicorn", "rich", "asyncio", "matplotlib", "sqlite3", "cryptography"}}
print(json.dumps(sorted(heavy & set(sys.modules))))
"""


@pytest.mark.parametrize(
    "arguments", [["--help"], *([command, "--help"] for command in COMMANDS if command != "doctor"), ["--version"]]
)
def test_help_imports_nothing_heavy(python, arguments):
    done = python(PROGRAM.format(arguments=arguments))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


MISSING = """
import sys
sys.modules[{package!r}] = None
from meterguard.cli import main
sys.argv = ["meterguard", *{arguments}]
main()
"""


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("click", ["--help"], "cli"),
        ("click", ["demo"], "cli"),
        ("starlette", ["demo", "--plain"], "emulator"),
        ("uvicorn", ["emulator", "--port", "0"], "emulator"),
    ],
)
def test_a_missing_extra_is_named(python, package, arguments, extra):
    done = python(MISSING.format(package=package, arguments=arguments))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"needs a package that is not installed: pip install 'meterguard[{extra}]'\n")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("told"), 1),
        (EntitlementDenied("told"), 3),
        (AuthorizationRefused("told"), 3),
        (UntrustedLease("told"), 3),
        (EntitlementUnavailable("told"), 4),
        (KeyboardInterrupt(), 130),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(error, code):
    group = Commands("meterguard")

    @group.command()
    def work():
        raise error

    done = CliRunner().invoke(group, ["work"])
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr == ("interrupted\n" if code == 130 else "Error: told\n")
