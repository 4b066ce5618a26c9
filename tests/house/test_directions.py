"""Imports point down only (design, section 5). A new room gets a line in a table here."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict

from tests.house.source import MODULES, room

VOCABULARY = {
    *("units", "model", "reasons", "lease", "decision", "errors", "events", "ports", "secret", "interruption"),
    *("account", "usage", "rows", "lease_store", "borrowed_file", "contract", "metering_records"),
}
FACADE = {
    *(
        "guard",
        "metering",
        "borrowing",
        "ledger",
        "consumption",
        "default",
        "open_guard",
        "diagnostics",
        "snapshot",
        "orphans",
        "marketplace",
        "departures",
    ),
    "gating",
}
PUBLIC = VOCABULARY | FACADE | {"meterguard", "config", "options", "extras"}

MAY_IMPORT = {
    "units": set(),
    "secret": set(),
    "account": set(),
    "usage": set(),
    "rows": set(),
    "lease_store": set(),
    "borrowed_file": set(),
    "metering_records": {"usage"},
    "contract": {"ports"},
    "interruption": set(),
    "model": {"units"},
    "reasons": set(),
    "lease": {"model"},
    "decision": {"lease", "reasons"},
    "errors": {"model", "reasons"},
    "events": {"model", "reasons"},
    "extras": {"errors"},
    "arguments": VOCABULARY,
    "ports": VOCABULARY,
    "core": VOCABULARY,
    # Siblings that never meet, but for the one place that puts them together.
    "runtime": VOCABULARY | {"core"},
    "aws": VOCABULARY | {"core", "extras"},
    "stores": VOCABULARY | {"core", "extras"},
    "options": VOCABULARY | {"arguments"},
    "config": VOCABULARY | {"core", "arguments", "options"},
    "assembly": VOCABULARY | {"core", "runtime", "aws", "stores", "config"},
    "gating": VOCABULARY | {"core", "runtime", "arguments"},
    "ledger": VOCABULARY | {"core", "assembly"},
    "metering": VOCABULARY | {"core", "runtime", "gating", "ledger"},
    "borrowing": VOCABULARY | {"core", "runtime", "config", "assembly", "gating", "metering"},
    "guard": VOCABULARY
    | {"core", "runtime", "arguments", "config", "options", "assembly", "gating", "metering", "borrowing"},
    "consumption": VOCABULARY | {"gating", "guard", "default"},
    "open_guard": VOCABULARY | {"core", "runtime", "gating", "guard", "ledger", "assembly"},
    "default": VOCABULARY | {"core", "runtime", "gating", "guard", "config", "options"},
    "diagnostics": VOCABULARY | {"gating", "guard", "borrowing", "config", "assembly"},
    "snapshot": VOCABULARY | {"core", "runtime", "assembly"},
    "orphans": VOCABULARY | {"config", "assembly", "snapshot"},
    "marketplace": VOCABULARY | {"core", "runtime", "guard", "config", "ledger", "assembly"},
    "departures": VOCABULARY | {"runtime", "guard"},
    "meterguard": VOCABULARY | FACADE,
    "telemetry": PUBLIC,
    "integrations": PUBLIC | {"testing"},  # which only a module for tests may import, see below
    "console": PUBLIC,
    "emulator": {"errors"},  # only for the class of what is wrong in a call of it
    "testing": PUBLIC | {"emulator", "runtime"},  # where time is moved
    "pytest_plugin": PUBLIC | {"emulator", "testing"},
    "cli": PUBLIC | {"emulator", "console", "telemetry", "integrations"},
    "__main__": {"cli"},
}

# Which rooms may import what is not in the standard library.
THIRD_PARTY = {
    "boto3": {"aws", "testing"},
    "botocore": {"aws", "emulator", "testing"},
    "types_boto3_license_manager": {"aws"},
    "cachetools": {"stores", "runtime"},
    "wrapt": {"gating"},
    "starlette": {"emulator", "console", "integrations"},
    "uvicorn": {"emulator", "console"},
    "jwt": {"emulator"},
    "cryptography": {"aws", "emulator", "stores"},
    "click": {"cli", "integrations"},
    "rich": {"cli"},
    "matplotlib": {"cli"},
    "redis": {"stores"},
    "pytest": {"testing", "pytest_plugin"},
    "typing_extensions": {"gating"},  # for type checkers, which bring it along
    "opentelemetry": {"telemetry"},
    "prometheus_client": {"telemetry"},
    "flask": {"integrations"},
    "blinker": {"integrations"},  # these two come with Flask
    "werkzeug": {"integrations"},
    "flask_login": {"integrations"},
    "psycopg": {"stores"},
    "platformdirs": {"stores"},
    "filelock": {"stores"},
    "django": {"integrations", "stores"},
    "asgiref": {"integrations"},  # comes with Django
    "rest_framework": {"integrations"},
    "drf_spectacular": {"integrations"},
    "fastapi": {"integrations"},
    "celery": {"integrations"},
    "openfeature": {"integrations"},
    "mcp": {"integrations"},
    "mcp_types": {"integrations"},  # comes with it
    "anyio": {"integrations"},  # and so does this
    "fastmcp": {"integrations"},
}

# A file that may import what the rest of its room may not.
ALONE = {"meterguard.stores.dynamodb_rows": {"boto3", "botocore"}}

# What a room is made of. Anything else that is optional stands in one file of a room; an integration is its
# framework, and free.
WHOLE_ROOM = {
    ("aws", "botocore"),
    ("cli", "click"),
    ("cli", "rich"),
    ("emulator", "botocore"),
    ("pytest_plugin", "pytest"),
}
REQUIRED = {"boto3", "cachetools", "wrapt"}

# Integrations: a file or folder each for these. None imports another, and what they share imports none of them.
FRAMEWORKS = {"asgi", "celery", "click", "django", "drf", "fastapi", "flask", "mcp", "openfeature", "starlette"}
SHARED = {
    *("refusal", "page", "http", "settings", "declaration", "installation", "audit", "openapi"),
    *("features", "connection", "lifespan", "starlette_application", "starlette_mounts"),
    *("django_project", "django_decorators", "django_guard", "django_response", "django_user"),
}

IMPURE = {
    *("asyncio", "concurrent", "logging", "multiprocessing", "os", "queue", "random", "secrets"),
    *("select", "selectors", "signal", "socket", "subprocess", "threading", "time", "uuid"),
}
CLOCK_READS = {"now", "utcnow", "today"}


def top(dotted: str) -> str:
    return dotted.partition(".")[0]


def imports(*, ours: bool):
    """Every import in the package: of modules of ours, or of others'."""
    for module in MODULES:
        for line, dotted in module.imports():
            if (top(dotted) == "meterguard") is ours:
                yield module, f"{module.name}, line {line}, imports {dotted}", dotted


def test_every_room_is_in_the_table():
    assert {room(module.name) for module in MODULES} - MAY_IMPORT.keys() == set()


def test_imports_point_down_only():
    wrong = [
        what
        for module, what, dotted in imports(ours=True)
        if room(dotted) not in MAY_IMPORT.get(here := room(module.name), set()) | {here}
    ]
    assert wrong == [], "\n".join(wrong)


def test_only_what_is_for_tests_imports_testing():
    rooms = {"testing", "pytest_plugin", "emulator"}
    importers = {module.name for module, _, dotted in imports(ours=True) if room(dotted) == "testing"}
    assert {name for name in importers if room(name) not in rooms} == {"meterguard.integrations.django.test"}


def test_third_party_packages_stay_in_their_rooms():
    wrong = [
        what
        for module, what, dotted in imports(ours=False)
        if (package := top(dotted)) not in sys.stdlib_module_names | ALONE.get(module.name, set())
        and room(module.name) not in THIRD_PARTY.get(package, ())
    ]
    assert wrong == [], "\n".join(wrong)


def test_an_optional_package_is_imported_in_one_file_of_a_room():
    files = defaultdict(set)
    for module, _, dotted in imports(ours=False):
        if top(dotted) in THIRD_PARTY.keys() - REQUIRED:
            files[room(module.name), top(dotted)].add(module.name)
    spread = {where for where, names in files.items() if len(names) > 1}
    assert {where for where in spread - WHOLE_ROOM if where[0] != "integrations"} == set()


def test_no_integration_imports_another():
    inside = "meterguard.integrations."
    parts = {module.name.split(".")[2] for module in MODULES if module.name.startswith(inside)}
    assert parts == FRAMEWORKS | SHARED, "a file of integrations is a framework's, or is shared"
    wrong = [
        what
        for module, what, dotted in imports(ours=True)
        if module.name.startswith(inside)
        and dotted.startswith(inside)
        and (there := dotted.split(".")[2]) in FRAMEWORKS
        and there != module.name.split(".")[2]
    ]
    assert wrong == [], "\n".join(wrong)


def test_core_has_no_clock_lock_thread_socket_log_line_or_random_number():
    core = [module for module in MODULES if room(module.name) == "core"]
    impure = [what for module, what, dotted in imports(ours=False) if module in core and top(dotted) in IMPURE]
    reads = [
        f"{module.name}, line {node.lineno}, reads .{node.attr}"
        for module in core
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in CLOCK_READS
    ]
    assert impure + reads == [], "\n".join(impure + reads)
