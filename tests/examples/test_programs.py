"""Each example, run as its docstring says: what it prints, what it asks, and that it leaves nothing behind."""

from __future__ import annotations

import ast

import pytest

from tests.examples.conftest import EXAMPLES

TAKE, RETURN = "CheckoutLicense Seats 1", "CheckInLicense"
ALL_TAKEN = [f"{TAKE} 400", "GetLicenseUsage"]

PROGRAMS = {
    "quickstart": (
        ["invoice.pdf", "offer.pdf", "reminder.pdf", "not in this licence: Teleport"],
        [TAKE, "CheckoutLicense Teleport 400", RETURN],
    ),
    "context_managers": (
        ["working in Seats (1 Count)", "the fourth seat is denied", "exporting under Seats (1 Count) and Export"],
        [
            *[TAKE, RETURN],
            *[TAKE, TAKE, TAKE, *ALL_TAKEN, RETURN, RETURN, RETURN],
            *["CheckoutLicense Seats 1, Export", RETURN],
        ],
    ),
    "async_tasks": (
        [
            "rendered 100 pages",
            "streamed [0, 1, 2]",
            "exporting under Export",
            "more seats: True",
            "teleport: False",
        ],
        [
            *[TAKE, "CheckoutLicense Export"],
            *["CheckoutLicense Seats 2", RETURN],
            *["CheckoutLicense Teleport 400", RETURN, RETURN],
        ],
    ),
    "seats_per_user": (
        [
            *[f"{user} writes 'a letter'" for user in ("ana", "ben", "cleo")],
            "dora finds no free seat",
            "ana writes 'a letter'",
            "ben publishes 'the news'",
        ],
        [TAKE, TAKE, TAKE, *ALL_TAKEN, RETURN, RETURN, RETURN],
    ),
    "free_tier": (
        [
            *["report, all pages", "report, first page only", "suggestions: none"],
            *["Export: yes (cached)", "Printing: no (not_entitled)"],
        ],
        ["CheckoutLicense Export", "CheckoutLicense Printing 400", "CheckoutLicense Suggestions 400", RETURN],
    ),
    "feature_flags": (
        [
            "menu: export-pdf, team-of-three",
            "export-pdf: True (granted, CACHED)",
            "timeline: False (denied, STATIC)",
            "team-of-three: True (granted, CACHED)",
            "3 may edit at once",
            "timeline: not_entitled",
        ],
        [
            *["CheckoutLicense Export, Timeline", RETURN, "CheckoutLicense Export", "CheckoutLicense Timeline 400"],
            *["CheckoutLicense Seats 3", RETURN, RETURN],
        ],
    ),
}
SERVERS = {"flask_view", "django_view"}
APPLICATIONS = {
    *("django_app", "drf_api", "flask_app", "fastapi_app", "celery_tasks", "command_line", "lambda_handler"),
    *("bottle_plugin", "llm_proxy", "document_service", "saas_marketplace", "container_pod", "mcp_server"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program(run, asked, nothing_left, name):
    lines, requests = PROGRAMS[name]
    done = run(EXAMPLES / f"{name}.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == lines
    assert asked() == requests
    assert nothing_left()


def test_the_free_tier_goes_on_while_the_service_is_down(run, lm, nothing_left):
    with lm.down():
        done = run(EXAMPLES / "free_tier.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        *["report, first page only", "report, first page only", "suggestions: none"],
        *["Export: no (unavailable)", "Printing: no (unavailable)"],
    ]
    assert nothing_left()


@pytest.mark.parametrize(
    ("ending", "code", "complaint"),
    [
        ("", 0, ""),
        ("raise ValueError('on purpose')", 1, "ValueError: on purpose"),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('cannot go on')", 1, "cannot go on"),
    ],
    ids=["return", "exception", "sys.exit", "sys.exit with a text"],
)
def test_a_seat_is_given_back_however_the_program_ends(run, asked, nothing_left, ending, code, complaint):
    program = f"import runpy, sys\nrunpy.run_path({str(EXAMPLES / 'quickstart.py')!r}, run_name='__main__')\n{ending}"
    done = run("-c", program)
    assert done.returncode == code
    assert done.stderr.splitlines()[-1:] == ([complaint] if complaint else [])
    assert "meterguard" not in done.stderr
    assert asked() == PROGRAMS["quickstart"][1]
    assert nothing_left()


def test_every_example_is_run():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == PROGRAMS.keys() | SERVERS | APPLICATIONS


@pytest.mark.parametrize("name", sorted(PROGRAMS.keys() | SERVERS | APPLICATIONS))
def test_an_example_is_short_and_says_how_to_run_it(name):
    text = (EXAMPLES / f"{name}.py").read_text("utf-8")
    said = ast.get_docstring(ast.parse(text))
    assert f"examples/{name}.py" in said or f"dir examples {name}:app" in said
    assert 20 <= len(text.splitlines()) <= (120 if name in APPLICATIONS else 65)


@pytest.mark.parametrize("name", sorted(PROGRAMS.keys() | SERVERS | APPLICATIONS))
def test_an_example_uses_public_names_only(name):
    tree = ast.parse((EXAMPLES / f"{name}.py").read_text("utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    inside = {module for module in modules if module.startswith("meterguard.")}
    public = ("meterguard.integrations", "meterguard.marketplace")
    assert {module for module in inside if "._" in module or not module.startswith(public)} == set()
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert [name for name in attributes - {"__name__", "__init__", "__call__"} if name.startswith("_")] == []
