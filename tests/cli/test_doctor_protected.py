"""``meterguard doctor --protected``: references that go around what ``protect()`` guards."""

from __future__ import annotations

import json

import pytest

REPORTS = """
def export(): return "exported"
class Report:
    def build(self): return "built"
    @staticmethod
    def count(): return 1
"""
PROTECTIONS = """
from meterguard import protect
protect("reports:export", "Export")
protect("reports:Report.build", "Export")
protect("reports:Report.count", "Export")
"""
VIEWS = """
import functools
import reports
from reports import export
from reports import Report

later = functools.partial(export, 1)
HANDLERS = {"export": export}
ORDER = [None, (export,), reports.export]

def traced(fn):
    def wrapper():
        return fn()
    return wrapper

seen = traced(export)

def by_default(fn=export):
    return fn()

class View:
    run = staticmethod(export)
    build = Report.build
    class Inner:
        count = Report.count

def shortcut():
    return reports.export.__wrapped__()

def other():
    return other.__wrapped__

class Lazy:
    @property
    def __class__(self):
        raise SystemExit("it was made to answer")
    def __getattr__(self, name):
        raise SystemExit("it was made to answer")

lazy = Lazy()
app = object()
"""
HELD = {
    "views.export",
    "views.later (partial)",
    "views.HANDLERS['export']",
    "views.ORDER[2]",
    "views.seen (closure)",
    "views.by_default (default argument)",
    "views.View.run",
    "views.View.build",
    "views.View.Inner.count",
}


@pytest.fixture
def doctor(run, product, tmp_path):
    """``doctor(app, **modules)``: its exit code, and each finding by the name of its check."""

    def examine(app, **modules):
        for name, source in modules.items():
            (tmp_path / f"{name}.py").write_text(source)
        done = run("doctor", "--json", "--offline", "--protected", "--app", app, **product)
        found = json.loads(done.stdout)["findings"]
        assert {tuple(one) for one in found} == {("check", "result", "detail", "fix")}
        return done.returncode, {one["check"]: one for one in found}

    return examine


def test_what_was_taken_before_the_guard_is_named(doctor):
    code, found = doctor("views:app", reports=REPORTS, views=VIEWS + PROTECTIONS)
    assert (code, found["references"]["result"]) == (1, "failed")
    told, _, names = found["references"]["detail"].partition(": ")
    assert told == "made before the guard, and without it"
    assert set(names.split(", ")) == HELD
    assert found["references"]["fix"] == (
        "call protect() before these are imported, or import the module there and not the name"
    )
    assert found["protections"] == {"check": "protections", "result": "ok", "detail": "3 in place", "fix": None}


def test_code_that_takes_the_guard_off_is_named(doctor):
    code, found = doctor("views:app", reports=REPORTS, views=PROTECTIONS + VIEWS)
    assert (code, found["references"]["result"], found["unwrapping"]["result"]) == (1, "ok", "failed")
    assert found["unwrapping"]["detail"] == "take the guard off by __wrapped__: views.shortcut (export.__wrapped__)"


def test_all_is_well(doctor):
    code, found = doctor("site_of_mine:app", reports=REPORTS, site_of_mine=f"{PROTECTIONS}\nimport reports\napp = 1")
    assert code == 0
    assert [found[name]["result"] for name in ("protections", "references", "unwrapping")] == ["ok"] * 3
    assert found["unwrapping"]["detail"] == (
        "no code was found that uses what every program can reach: reports.export.__wrapped__, "
        "reports.Report.build.__wrapped__, reports.Report.count.__wrapped__"
    )


def test_a_module_that_nobody_has_imported_yet_is_no_failure(doctor):
    code, found = doctor("site_of_mine:app", site_of_mine=f"{PROTECTIONS}\napp = 1")
    assert (code, found["protections"]["result"]) == (0, "ok")
    assert found["protections"]["detail"] == (
        "0 in place; waiting for their modules: reports:export, reports:Report.build, reports:Report.count"
    )


def test_what_stands_in_the_place_of_a_guard(doctor):
    site = f"{PROTECTIONS}\nimport reports\nreports.export = lambda: 1\napp = 1"
    code, found = doctor("site_of_mine:app", reports=REPORTS, site_of_mine=site)
    assert (code, found["protections"]["result"]) == (1, "failed")
    assert found["protections"]["detail"] == "something else stands in the place of: reports:export"


def test_an_application_that_protects_nothing(doctor):
    code, found = doctor("site_of_mine:app", site_of_mine="app = 1")
    assert (code, found["protections"]["result"]) == (1, "failed")
    assert found["protections"]["detail"] == "nothing is protected once the application is loaded"
    assert "references" not in found


FLASK = """
from flask import Flask
import reports
app = Flask("site")
app.add_url_rule("/export", view_func=reports.export)
"""


def test_what_was_registered_before_the_guard(doctor):
    code, found = doctor("site_of_mine:app", reports=REPORTS, site_of_mine=FLASK + PROTECTIONS)
    assert (code, found["guards"]["result"]) == (1, "failed")
    assert found["references"]["detail"].startswith("made before the guard, and without it: the registration ")
    code, found = doctor("site_of_mine:app", reports=REPORTS, site_of_mine=PROTECTIONS + FLASK)
    assert (code, found["references"]["result"]) == (0, "ok")


def test_people_get_lines(run, product, tmp_path):
    (tmp_path / "reports.py").write_text(REPORTS)
    (tmp_path / "views.py").write_text("from reports import export\napp = 1\n" + PROTECTIONS)
    done = run("doctor", "--offline", "--protected", "--app", "views:app", **product)
    assert done.returncode == 1
    assert (
        "failed  references  made before the guard, and without it: views.export; call protect() before these are "
        "imported, or import the module there and not the name\n"
    ) in done.stdout


def test_without_an_application_there_is_nothing_to_search(run):
    done = run("doctor", "--protected")
    assert (done.returncode, done.stdout) == (2, "")
    told, _, hint = done.stderr.partition(". ")
    assert told == "Error: --protected needs --app MODULE:ATTR, whose imports are searched"
    assert hint == "See 'meterguard doctor --help'.\n"


def test_a_protection_of_what_is_not_there_is_told(run, product, tmp_path):
    (tmp_path / "reports.py").write_text(REPORTS)
    (tmp_path / "site_of_mine.py").write_text(
        'import meterguard\nmeterguard.protect("reports:nope", "X")\nimport reports'
    )
    done = run("doctor", "--protected", "--app", "site_of_mine:app", **product)
    assert (done.returncode, done.stdout) == (2, "")
    assert "ConfigurationError: protect('reports:nope'): the module reports has no 'nope'" in done.stderr
