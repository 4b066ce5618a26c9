"""Small rooms and small functions (design, section 5); test_figures.py holds the sizes of files."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.house.source import MODULES, lines_of

MAX_FUNCTION = 20
NOT_AN_IDEA = {"base", "common", "helper", "helpers", "misc", "util", "utils"}


def test_a_module_is_named_after_an_idea():
    names = {module.name: {part.lstrip("_") for part in module.name.split(".")} for module in MODULES}
    assert [name for name, parts in names.items() if parts & NOT_AN_IDEA] == []


def test_nine_functions_in_ten_have_at_most_20_lines():
    """Folder by folder. One long function is allowed where a tenth of the functions is less than one."""
    folders = defaultdict(list)
    for module in MODULES:
        functions = [(lines_of(function), f"{module.name}.{function.name}") for function in module.functions()]
        folders[module.path.parent] += functions
    for functions in folders.values():
        long = sorted((entry for entry in functions if entry[0] > MAX_FUNCTION), reverse=True)
        assert len(long) <= max(1, len(functions) // 10), long


def test_a_room_opens_with_its_rules():
    """Two or three rules that say what belongs there; the package itself says what it is."""
    rules = {module.name: ast.get_docstring(module.tree) or "" for module in MODULES if module.is_package}
    few = [name for name, text in rules.items() if len(text.splitlines()) < (1 if name == "meterguard" else 3)]
    assert few == []
