"""Figures of the house, read from the source: ``python -m tests.house.figures [--list] [FIGURE ...]``.

Each figure is a list of what stands against a limit of CONTRIBUTING; ``tests/house/test_figures.py`` holds the limits.
"""

from __future__ import annotations

import argparse
import ast
import math
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

from tests.house.source import MODULES, NAMES, Module, lines_of

Function = ast.FunctionDef | ast.AsyncFunctionDef

MAX_MODULE_LINES = 350
OBSCURE_STARTS = ("What", "Whether", "The one")
# A name that says "and more", and names that stand for another thing in the field than in the file.
VAGUE = {
    *("base", "common", "helper", "helpers", "manager", "misc", "stuff", "things", "tools", "util", "utils"),
    *("announcing", "behavior", "carriage", "doors", "fleet", "keeping", "leaving", "slots", "steering", "tending"),
    *("facade", "planning", "portions", "reading", "requests", "rules", "tables", "wording", "foreground"),
}
# Underscore names of other people's packages that stand in ours by chance, too.
FOREIGN = {"_connection", "_inner", "_request", "_session", "_wrapped"}
# Names that end in -ing and are a field's word all the same. Other files are named by nouns, not by deeds.
NOUNS_IN_ING = {"borrowing", "drawing", "forking", "gating", "metering", "serving", "testing"}


def circles() -> list[str]:
    """Return the circles of imports; lazy imports and those for type checkers count."""
    graph = {
        module.name: {dotted for _, dotted in module.imports() if dotted in NAMES} - {module.name} for module in MODULES
    }
    return [" <-> ".join(sorted(circle)) for circle in circles_in(graph)]


def circles_in(graph: dict[str, set[str]]) -> list[set[str]]:
    """Return the sets of nodes that reach each other: the strongly connected components of two and more."""

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for node in graph[waiting.pop()] - seen:
                seen.add(node)
                waiting.append(node)
        return seen

    reached = {node: reach(node) for node in graph}
    sets = {frozenset(other for other in reached[node] if node in reached[other]) for node in graph}
    return sorted((set(found) for found in sets if found), key=min)


def private_touches() -> list[str]:
    """Return each use of another file's underscore name: ``x._name``, a string of it, an import of it."""
    return [f"{module.name}:{line}: {name}" for module in MODULES for line, name in sorted(set(touches_of(module)))]


def touches_of(module: Module) -> Iterator[tuple[int, str]]:
    elsewhere = set().union(*(defined(other) for other in MODULES if other is not module)) - defined(module) - FOREIGN
    for node in ast.walk(module.tree):
        match node:
            case ast.Attribute(value=owner, attr=name) if name in elsewhere and not is_own(owner):
                yield node.lineno, f"{ast.unparse(owner)}.{name}"
            case ast.Call(func=ast.Name(id="getattr" | "setattr" | "hasattr"), args=[_, ast.Constant(value=name), *_]):
                if name in elsewhere:
                    yield node.lineno, ast.unparse(node)
            case ast.ImportFrom(module=str(where), names=names, level=level):
                if level or where.startswith("meterguard"):
                    private = [alias.name for alias in names if is_private(alias.name) and alias.name in elsewhere]
                    yield from ((node.lineno, f"import {name}") for name in private)


def is_own(owner: ast.expr) -> bool:
    match owner:
        case ast.Name(id="self" | "cls") | ast.Call(func=ast.Name(id="super")):
            return True
    return False


@cache
def defined(module: Module) -> frozenset[str]:
    """Return the underscore names that a file defines: functions, classes, names, attributes, slots, fields."""
    names = set()
    for node in ast.walk(module.tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Attribute(value=owner, attr=name, ctx=ast.Store()) if is_own(owner):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id="__slots__")], value=slots):
                names |= {leaf.value for leaf in ast.walk(slots) if isinstance(leaf, ast.Constant)}
    return frozenset(name for name in names if is_private(name))


def is_private(name: object) -> bool:
    return isinstance(name, str) and name.startswith("_") and not name.startswith("__") and name.strip("_") != ""


def lengths() -> list[str]:
    """Return every function with its length, the longest first; docstrings do not count."""
    return [f"{count:3} {name}" for count, name in sorted(function_lengths(), reverse=True)]


def function_lengths() -> list[tuple[int, str]]:
    return [
        (lines_of(function), f"{module.name}.{function.name}") for module in MODULES for function in module.functions()
    ]


def ninth_tenth() -> int:
    """Return the length that nine functions in ten do not exceed."""
    counts = sorted(count for count, _ in function_lengths())
    return counts[math.ceil(len(counts) * 0.9) - 1]


def long_modules() -> list[str]:
    lines = {module.name: len(module.path.read_text("utf-8").splitlines()) for module in MODULES}
    return [f"{count} {name}" for name, count in lines.items() if count > MAX_MODULE_LINES]


def public_functions() -> Iterator[tuple[Module, str, Function, ast.ClassDef | None]]:
    """Yield the functions and methods without an underscore in their name, their class's or their file's."""
    for module in MODULES:
        if any(part.startswith("_") for part in module.name.split(".")):
            continue
        for node in module.tree.body:
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef() if not node.name.startswith("_"):
                    yield module, f"{module.name}.{node.name}", node, None
                case ast.ClassDef() if not node.name.startswith("_"):
                    for inner in node.body:
                        if isinstance(inner, Function) and (
                            not inner.name.startswith("_") or inner.name in {"__init__", "__call__", "__enter__"}
                        ):
                            yield module, f"{module.name}.{node.name}.{inner.name}", inner, node


def with_any(names: frozenset[str] = frozenset({"Any"})) -> list[str]:
    """Return the public signatures in which a reader finds ``Any``, or another of these names."""
    return sorted({name for _, name, function, _ in public_functions() if annotated(function) & names})


def annotated(function: Function) -> set[str]:
    """Return the names in the annotations of a function."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    annotations = [argument.annotation for argument in every if argument] + [function.returns]
    return set().union(*(names_in(annotation) for annotation in annotations if annotation))


def names_in(node: ast.AST) -> set[str]:
    leaves = list(ast.walk(node))
    names = {leaf.id for leaf in leaves if isinstance(leaf, ast.Name)}
    return names | {leaf.attr for leaf in leaves if isinstance(leaf, ast.Attribute)}


@cache
def aliases_of_any() -> frozenset[str]:
    """Return ``Any`` and the names that modules give to types with ``Any`` in them."""
    given = [
        (node.targets[0].id, names_in(node.value))
        for module in MODULES
        for node in module.tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and not isinstance(node.value, ast.Call)
    ]
    found = {"Any"}
    while more := {name for name, names in given if names & found and re.fullmatch("[A-Z][a-z]\\w+", name)} - found:
        found |= more
    return frozenset(found)


def percent(found: list[str]) -> float:
    """Return how many public signatures of a hundred these are."""
    return 100 * len(found) / len({name for _, name, _, _ in public_functions()})


def say_any(found: list[str]) -> str:
    more = with_any(aliases_of_any())
    return (
        f"{percent(found):.1f} % of public signatures say Any ({len(found)}); "
        f"{percent(more):.1f} % ({len(more)}) with the names that stand for types with Any in them"
    )


def without_docstring() -> list[str]:
    """Return the public functions and methods without a docstring.

    An overload is described at its implementation, a method that overrides one at the class it comes from, and a
    constructor, as other magic methods, at its class.
    """
    described = {
        (node.name, inner.name)
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
        for inner in node.body
        if isinstance(inner, Function) and ast.get_docstring(inner)
    }
    methods = defaultdict(set)
    for owner, name in described:
        methods[owner].add(name)
    return sorted(
        name
        for _, name, function, owner in public_functions()
        if not function.name.startswith("__")
        and not ast.get_docstring(function)
        and not decorated(function, "overload", "setter", "override")
        and not (owner and any(function.name in methods[base] for base in base_names(owner)))
    )


def decorated(function: Function, *names: str) -> bool:
    return any(ast.unparse(decorator).split(".")[-1] in names for decorator in function.decorator_list)


def base_names(owner: ast.ClassDef) -> list[str]:
    return [ast.unparse(base).partition("[")[0].split(".")[-1] for base in owner.bases]


def obscure_docstrings() -> list[str]:
    """Return the docstrings that begin with ``What``, ``Whether`` or ``The one``."""
    found = []
    for module in MODULES:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Module | ast.ClassDef | Function):
                text = ast.get_docstring(node) or ""
                if any(text == start or text.startswith((f"{start} ", f"{start}'")) for start in OBSCURE_STARTS):
                    found.append(f"{module.name}:{getattr(node, 'lineno', 1)}: {text.splitlines()[0]}")
    return found


def vague_names() -> list[str]:
    """Return the modules whose name tells a stranger nothing, or a deed and no noun."""
    last = {module.name: module.name.split(".")[-1].strip("_") for module in MODULES}
    return [name for name, word in last.items() if word in VAGUE or (word.endswith("ing") and word not in NOUNS_IN_ING)]


def per_file(entries: list[str]) -> str:
    counts: dict[str, int] = defaultdict(int)
    for entry in entries:
        counts[entry.partition(":")[0]] += 1
    in_order = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name.removeprefix('meterguard.')} {count}" for name, count in in_order) or "none"


FIGURES = {
    "circles": (circles, lambda found: f"{len(found)} circles of imports"),
    "touches": (
        private_touches,
        lambda found: f"{len(found)} uses of another file's underscore names: {per_file(found)}",
    ),
    "lengths": (lengths, lambda found: f"{ninth_tenth()} lines at most in nine of ten of {len(found)} functions"),
    "modules": (long_modules, lambda found: f"{len(found)} modules of more than {MAX_MODULE_LINES} lines"),
    "any": (with_any, say_any),
    "undocumented": (without_docstring, lambda found: f"{len(found)} public functions without a docstring"),
    "obscure": (obscure_docstrings, lambda found: f"{len(found)} docstrings begin with {', '.join(OBSCURE_STARTS)}"),
    "vague": (vague_names, lambda found: f"{len(found)} modules have a vague name"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.house.figures", description=__doc__)
    parser.add_argument("--list", action="store_true", help="print each thing that counts, too")
    parser.add_argument("figure", nargs="*", choices=[*FIGURES, []], help="all, when none is named")
    options = parser.parse_args()
    for name in options.figure or FIGURES:
        find, say = FIGURES[name]
        found = find()
        print(f"{name:13} {say(found)}")
        if options.list:
            print(*(f"              {entry}" for entry in found), sep="\n")


if __name__ == "__main__":
    main()
