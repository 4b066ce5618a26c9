"""The package as its own source tells it: modules, rooms, imports, functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and dotted name of all that is imported: also in functions, for type checkers, by string."""
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names=names):
                    yield from ((node.lineno, alias.name) for alias in names)
                case ast.ImportFrom(module=module, level=level):
                    base = self._absolute("." * level + (module or ""))
                    for alias in node.names:
                        dotted = f"{base}.{alias.name}"
                        yield node.lineno, dotted if dotted in NAMES else base
                case ast.Call(func=called, args=[ast.Constant(value=str(name)), *_]):
                    if ast.unparse(called).split(".")[-1] in {"import_module", "__import__"}:
                        yield node.lineno, self._absolute(name)

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def _absolute(self, name: str) -> str:
        level = len(name) - len(name.lstrip("."))
        if not level:
            return name
        here = self.name.split(".")
        above = here[: len(here) - level + self.is_package]
        return ".".join([*above, *filter(None, [name.lstrip(".")])])


def room(dotted: str) -> str:
    """The room of a module of ours: ``core`` for ``meterguard.core.intents``; the package itself is one."""
    return dotted.split(".")[1] if "." in dotted else dotted


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How long a function is, from ``def`` to its last line, without its docstring."""
    length = function.end_lineno - function.lineno + 1
    match function.body[0]:
        case ast.Expr(value=ast.Constant(value=str())) as docstring:
            length -= docstring.end_lineno - docstring.lineno + 1
    return length


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = sorted((ROOT / "meterguard").rglob("*.py"))
NAMES = frozenset(map(_dotted, PATHS))
MODULES = [Module(_dotted(path), path, ast.parse(path.read_text("utf-8"), str(path))) for path in PATHS]
