"""What must not be guarded: it would look guarded, and run unguarded. The error shows the right order."""

from __future__ import annotations

import asyncio
import functools
import sys
import types

import celery
import click
import flask
import pytest
from click.testing import CliRunner
from starlette.applications import Starlette

from meterguard import requires_entitlement

gate = requires_entitlement("Seats", 1)


def test_a_class():
    with pytest.raises(TypeError) as caught:

        @gate
        class Report:
            pass

    assert str(caught.value) == (
        "test_a_class.<locals>.Report is a class, whose other methods would stay unguarded: decorate the methods that "
        "need the entitlement (__init__ guards construction):\n\n"
        "    class Report:\n"
        "        @requires_entitlement(...)\n"
        "        def work(self): ..."
    )


@pytest.mark.parametrize("kind", [int, type, types.new_class("Made")], ids=str)
def test_any_class(kind):
    with pytest.raises(TypeError):
        gate(kind)


def refusal(registered):
    with pytest.raises(TypeError) as caught:
        gate(registered)
    what, _, order = str(caught.value).partition("\n\n")
    assert what == (
        f"{registered!r} is a {KINDS.get(type(registered).__name__, 'Task')} that is registered already, and "
        "would be run without the guard. The guard goes next to the function:"
    )
    return order


KINDS = {"Command": "Command", "Group": "Command", "Flask": "Flask", "Starlette": "Starlette"}


def test_a_celery_task():
    @celery.Celery().task
    def work(): ...

    assert refusal(work) == "    @app.task\n    @requires_entitlement(...)\n    def work(): ..."


def test_a_typer_application():
    import typer

    with pytest.raises(TypeError, match="is a Typer that is registered already"):
        requires_entitlement("Export")(typer.Typer())


@pytest.mark.parametrize("make", [click.command, click.group], ids=["command", "group"])
def test_a_click_command(make):
    expected = "    @click.command()\n    @requires_entitlement(...)\n    def command(): ..."
    assert refusal(make()(lambda: None)) == expected


def test_a_flask_app():
    expected = "    @app.route('/report')\n    @requires_entitlement(...)\n    def report(): ..."
    assert refusal(flask.Flask("app")) == expected


def test_a_starlette_app():
    expected = "    @app.get('/report')\n    @requires_entitlement(...)\n    def report(): ..."
    assert refusal(Starlette()) == expected


def a_coroutine():
    async def work(): ...

    coroutine = work()
    coroutine.close()
    return coroutine


OTHERS = {
    "coroutine": (a_coroutine(), "decorate the function that makes the coroutine, and call that"),
    "property": (property(lambda self: 1), "put @property above the guard"),
    "cached_property": (functools.cached_property(lambda self: 1), "decorate the function"),
    "NoneType": (None, "decorate the function"),
    "int": (1, "decorate the function"),
    "str": ("export_pdf", "decorate the function"),
    "generator": ((n for n in ()), "decorate the function"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_cannot_be_called(kind):
    what, instead = OTHERS[kind]
    with pytest.raises(TypeError) as caught:
        gate(what)
    assert str(caught.value) == f"an object of type {kind} cannot be guarded: {instead}"


def test_nothing_is_imported_to_find_out():
    """The frameworks are looked for among the modules that are there."""
    gate(len)  # which imports wrapt
    before = set(sys.modules)
    gate(functools.partial(print))
    assert {name.split(".")[0] for name in set(sys.modules) - before} <= {"meterguard"}


# -- and the right order works -------------------------------------------------------------------


def test_click_runs_the_guard(guard, used):
    @click.command()
    @click.option("--pages", default=1)
    @guard.requires_entitlement("Seats", 1, hold="call")
    @click.option("--title", default="none")
    def command(pages, title):
        click.echo(f"{pages} {title} {used()}")

    assert CliRunner().invoke(command, ["--pages", "3", "--title", "x"]).output == "3 x 1\n"


def test_flask_runs_the_guard(guard, denied, used):
    app = flask.Flask("app")

    @app.route("/sync/<int:pages>")
    @guard.requires_entitlement("Seats", 1, hold="call")
    def report(pages):
        return f"{pages} {used()}"

    @app.route("/denied")
    @denied(default=("degraded", 200))
    def other():
        return "never"

    client = app.test_client()
    assert (client.get("/sync/3").text, client.get("/denied").text) == ("3 1", "degraded")
    assert app.view_functions.keys() >= {"report", "other"}


def test_a_thread_of_the_loop_runs_the_guard(guard, used):
    assert asyncio.run(asyncio.to_thread(guard.requires_entitlement("Seats", 1)(used))) == 1
