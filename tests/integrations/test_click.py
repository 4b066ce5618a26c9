"""Click and Typer: the guard next to a command, exit codes, and the search for guards that never run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import Annotated

import click
import pytest
import typer
from click.shell_completion import BashComplete
from click.testing import CliRunner
from typer.testing import CliRunner as TyperRunner

from meterguard import ConfigurationError, EntitlementDenied, MissingExtra
from meterguard.cli.exits import exit_of
from meterguard.errors import AuthorizationRefused, EntitlementUnavailable, MeterGuardError, UntrustedLease
from meterguard.gating.registration import is_bypassed
from meterguard.integrations.click import exit_codes, registered
from tests.house.source import ROOT


def plain(function):
    return function


# -- what a command shows is what it shows without a guard -----------------------------------------


def click_command(*, above=plain, below=plain):
    @click.group()
    def cli():
        """Reports."""

    @cli.command()
    @above
    @click.argument("name")
    @click.option("--kind", type=click.Choice(["draft", "final"]), default="draft", show_default=True, help="Which.")
    @below
    @click.option("--pages", default=1, help="How long.")
    def export(name, kind, pages):
        """Write a report."""
        click.echo(f"{name} {kind} {pages}")

    return cli


def typer_app(guard=plain):
    app = typer.Typer()

    @app.command()
    @guard
    def export(
        name: str,
        kind: Annotated[str, typer.Option(help="Which.", autocompletion=lambda: ["draft", "final"])] = "draft",
        pages: Annotated[int, typer.Option(help="How long.")] = 1,
    ) -> None:
        """Write a report."""
        typer.echo(f"{name} {kind} {pages}")

    @app.command()
    def other() -> None: ...

    return app


def around(gate):
    return lambda function: exit_codes()(gate(function))


@pytest.fixture(params=["guard", "guard and exit codes"])
def gate(request, guard):
    gate = guard.requires_entitlement("Export")
    return gate if request.param == "guard" else around(gate)


@pytest.mark.parametrize("place", ["above", "below"])
def test_click_shows_the_same_and_asks_nobody(lm, gate, place):
    bare, guarded = click_command(), click_command(**{place: gate})
    shown = [CliRunner().invoke(cli, ["export", "--help"]).output for cli in (bare, guarded)]
    assert shown[0] == shown[1]
    assert "--pages INTEGER" in shown[0]
    declared = [cli.commands["export"].to_info_dict(click.Context(cli)) for cli in (bare, guarded)]
    assert declared[0] == declared[1]
    for words, expected in ((["export"], "--"), (["export", "--kind"], "")):
        found = [
            [item.value for item in BashComplete(cli, {}, "cli", "_CLI_COMPLETE").get_completions(words, expected)]
            for cli in (bare, guarded)
        ]
        assert found[0] == found[1] != []
    assert lm.requests == []


@pytest.mark.parametrize("place", ["above", "below"])
def test_click_runs_the_guard_on_either_side_of_an_option(lm, gate, place):
    done = CliRunner().invoke(click_command(**{place: gate}), ["export", "june", "--kind", "final", "--pages", "3"])
    assert (done.exit_code, done.output) == (0, "june final 3\n")
    assert lm.calls("CheckoutLicense") == 1


def test_typer_shows_the_same_and_asks_nobody(lm, gate):
    bare, guarded = typer_app(), typer_app(gate)
    shown = [TyperRunner().invoke(app, ["export", "--help"]).output for app in (bare, guarded)]
    assert shown[0] == shown[1]
    assert "--pages" in shown[0]
    for line in ("root export --", "root export --kind "):
        variables = {"_ROOT_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line}
        found = [
            TyperRunner().invoke(app, [], prog_name="root", env=variables).output.splitlines()
            for app in (bare, guarded)
        ]
        assert found[0] == found[1] != []
        assert ("--pages" if line.endswith("--") else "final") in "".join(found[0])
    assert lm.requests == []


def test_typer_runs_the_guard(lm, gate):
    done = TyperRunner().invoke(typer_app(gate), ["export", "june", "--kind", "final", "--pages", "3"])
    assert (done.exit_code, done.output) == (0, "june final 3\n")
    assert lm.calls("CheckoutLicense") == 1


# -- exit codes ------------------------------------------------------------------------------------


@pytest.fixture(params=["click", "typer"])
def invoke(request):
    """``invoke(gate)``: how a command under it ends."""

    def run(gate):
        if request.param == "click":
            return CliRunner().invoke(click_command(below=around(gate)), ["export", "june"])
        return TyperRunner().invoke(typer_app(around(gate)), ["export", "june"])

    return run


def test_a_denial_is_3(invoke, guard):
    done = invoke(guard.requires_entitlement("Seats", 4, "Count"))
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


def test_an_outage_is_4(invoke, make_guard, lm, licence):
    guard = make_guard(lm, licence, timeout=1)
    with lm.down():
        done = invoke(guard.requires_entitlement("Export"))
    assert (done.exit_code, done.stdout) == (4, "")
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


def test_a_wrong_declaration_is_1(invoke, guard, lm):
    done = invoke(guard.requires_entitlement("Seats", lambda name, **_: name, "Count"))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert lm.requests == []


def test_a_seat_of_the_call_is_back_when_the_command_ended(invoke, guard, seats):
    assert invoke(guard.requires_entitlement("Seats", 1, "Count", hold="call")).exit_code == 0
    assert seats() == 0


@pytest.mark.parametrize(
    "error",
    [
        *[EntitlementDenied("no"), AuthorizationRefused("no"), UntrustedLease("no"), EntitlementUnavailable("no")],
        *[ConfigurationError("no"), MissingExtra("x", "cli"), MeterGuardError("no")],
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_codes_are_those_of_the_command_meterguard(error, capsys):
    with pytest.raises(SystemExit) as ended, exit_codes():
        raise error
    assert (ended.value.code, ended.value.__suppress_context__) == (exit_of(error), True)
    assert capsys.readouterr() == ("", f"Error: {error}\n")


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(7), click.UsageError("how")])
def test_other_exceptions_pass_through(error):
    with pytest.raises(type(error)) as caught, exit_codes():
        raise error
    assert caught.value is error


def test_it_works_without_standalone_mode_and_twice(guard):
    command = click_command(below=around(guard.requires_entitlement("Archive")))
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            command.main(["export", "june"], standalone_mode=False)
        assert ended.value.code == 3


# -- a process of its own --------------------------------------------------------------------------

PROGRAMS = {
    "click": """
        import os
        import click
        from meterguard import configure, requires_entitlement
        from meterguard.integrations.click import exit_codes

        configure(timeout=float(os.environ.get("PATIENCE", "10")))

        @click.group()
        def cli(): ...

        @cli.command()
        @requires_entitlement("Seats", 1, "Count")
        def work():
            click.echo("done")

        @cli.command()
        @requires_entitlement("Archive")
        def archive(): ...

        @cli.command()
        @requires_entitlement("Seats", 1, "Count")
        def both():
            archive.callback()
    """,
    "typer": """
        import os
        import typer
        from meterguard import configure, requires_entitlement
        from meterguard.integrations.click import exit_codes

        configure(timeout=float(os.environ.get("PATIENCE", "10")))

        cli = typer.Typer()

        @cli.command()
        @requires_entitlement("Seats", 1, "Count")
        def work():
            typer.echo("done")

        @cli.command()
        @requires_entitlement("Archive")
        def archive(): ...

        @cli.command()
        @requires_entitlement("Seats", 1, "Count")
        def both():
            archive()
    """,
}
MAIN = """
if __name__ == "__main__":
    with exit_codes():
        cli()
"""


@pytest.fixture(params=PROGRAMS)
def shell(request, settings, tmp_path):
    """``shell(*arguments, **variables)``: a program run as a shell runs it."""
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAMS[request.param]) + MAIN)
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "METERGUARD_PRODUCT_SKU": settings["product_sku"],
        "METERGUARD_KEY_FINGERPRINT": settings["key_fingerprint"],
        "AWS_ENDPOINT_URL_LICENSE_MANAGER": settings["endpoint_url"],
    }

    def run(*arguments, **variables):
        command = [sys.executable, "-W", "error", program, *arguments]
        done = subprocess.run(
            command, env=environment | variables, capture_output=True, text=True, timeout=30, check=False
        )
        return done.returncode, done.stdout, done.stderr

    return run


def test_leases_are_back_when_the_process_ends(shell, lm, seats):
    assert shell("work") == (0, "done\n", "")
    assert (lm.calls("CheckoutLicense"), lm.calls("CheckInLicense"), seats()) == (1, 1, 0)


def test_a_denied_process_gives_back_what_it_had(shell, lm, seats):
    code, printed, complaint = shell("both")
    assert (code, printed, complaint.count("\n")) == (3, "", 1)
    assert complaint.startswith("Error: ")
    assert (lm.calls("CheckoutLicense"), lm.calls("CheckInLicense"), seats()) == (2, 1, 0)


def test_a_process_in_an_outage(shell, lm):
    with lm.down():
        code, printed, complaint = shell("work", PATIENCE="1")
    assert (code, printed, complaint.count("\n")) == (4, "", 1)
    assert complaint.startswith("Error: ")


def test_a_process_that_is_not_set_up(shell, lm):
    code, printed, complaint = shell("work", METERGUARD_PRODUCT_SKU="")
    assert (code, printed, complaint.count("\n")) == (1, "", 1)
    assert complaint.startswith("Error: product_sku is missing")
    assert lm.requests == []


def test_it_imports_neither_click_nor_typer():
    program = "import sys, meterguard.integrations.click; print({'click', 'typer'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# -- guards that never run -------------------------------------------------------------------------


def bypassed(app):
    return [name for name, callback in registered(app) if is_bypassed(callback)]


def test_click_refuses_a_guard_above_a_command(guard):
    gate = guard.requires_entitlement("Export")
    for registered_already in (click_command(), click_command().commands["export"]):
        with pytest.raises(TypeError, match="registered already"):
            gate(registered_already)


def test_a_typer_guard_above_its_command_is_found(guard, lm):
    app, below = typer.Typer(), typer.Typer()
    app.add_typer(below, name="admin")
    gate = guard.requires_entitlement("Archive")

    @gate
    @app.command()
    def silent(): ...

    @gate
    @app.command()
    @exit_codes()
    def silent_too(): ...

    @app.command()
    @exit_codes()
    @gate
    def right(): ...

    @gate
    @below.command("wipe")
    def wipe_all(): ...

    @below.callback()
    def admin(): ...

    assert [name for name, _ in registered(app)] == ["silent", "silent-too", "right", "admin", "admin wipe"]
    assert bypassed(app) == ["silent", "silent-too", "admin wipe"]
    assert TyperRunner().invoke(app, ["silent"]).exit_code == 0  # which is why it is looked for
    assert lm.requests == []


def test_a_typer_application_of_one_command_and_of_none(guard):
    app = typer.Typer()
    assert list(registered(app)) == []

    @guard.requires_entitlement("Archive")
    @app.command()
    def silent(): ...

    assert bypassed(app) == ["silent"]


def test_click_groups_below_groups_also_those_loaded_late(guard):
    gate = guard.requires_entitlement("Export")

    def report(): ...

    gate(report)  # and the result is thrown away

    class Late(click.Group):
        def list_commands(self, ctx):
            return ["report", "gone"]

        def get_command(self, ctx, name):
            return click.command(name)(report) if name == "report" else None

    @click.group()
    def cli(): ...

    cli.add_command(Late("late"))
    cli.command("right")(gate(lambda: None))
    assert [name for name, _ in registered(cli)] == ["cli", "cli late report", "cli right"]
    assert bypassed(cli) == ["cli late report"]
    assert bypassed(click.CommandCollection("all", sources=[cli])) == ["all late report"]
    assert bypassed(click.command()(report)) == ["report"]


DOCTORED = {
    "click": """
        import click
        from meterguard import requires_entitlement
        cli = click.Group()
        def report(): ...
        guarded = requires_entitlement("Export")(report)
        cli.command("report")({function})
    """,
    "typer": """
        import typer
        from meterguard import requires_entitlement
        cli = typer.Typer()
        def report(): ...
        guarded = requires_entitlement("Export")(report)
        cli.command("report")({function})
    """,
}


@pytest.mark.parametrize("framework", DOCTORED)
@pytest.mark.parametrize("function", ["report", "guarded"])
def test_the_doctor_finds_it(settings, tmp_path, framework, function):
    (tmp_path / "tool.py").write_text(textwrap.dedent(DOCTORED[framework]).format(function=function))
    variables = {
        "PYTHONPATH": str(ROOT),
        "METERGUARD_PRODUCT_SKU": settings["product_sku"],
        "METERGUARD_KEY_FINGERPRINT": settings["key_fingerprint"],
    }
    done = subprocess.run(
        [sys.executable, "-m", "meterguard", "doctor", "--json", "--offline", "--app", "tool:cli"],
        cwd=tmp_path,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    found = {one["check"]: (one["result"], one["detail"]) for one in json.loads(done.stdout)["findings"]}
    wrong = function == "report"
    assert (done.returncode, found["guards"][0]) == ((1, "failed") if wrong else (0, "ok")), done.stderr
    assert found["guards"][1].endswith(": report") is wrong
