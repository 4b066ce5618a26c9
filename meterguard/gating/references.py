"""References to functions that go around a protection: made before it, or by way of ``__wrapped__``."""

from __future__ import annotations

import dis
import functools
import sys
import types
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

Named = tuple[str, Any]


def bare(functions: Iterable[object], registered: Iterable[Named] = ()) -> list[str]:
    """Return the names by which a program holds one of these functions, such as ``"app.views.export"``.

    Searched are the modules that are imported, their classes, partials, containers, default arguments and closures, and
    what an application has registered.

    :param registered: names of routes and the like, and what is called for each.
    """
    wanted = {id(one) for one in functions}
    places = [*_attributes(), *((f"the registration {name}", one) for name, one in registered)]
    found = (name for place in places for name, value in _within(*place) if id(value) in wanted)
    return sorted(dict.fromkeys(found))


def unwrapping(names: Iterable[str]) -> list[str]:
    """Return the functions with code that reads ``NAME.__wrapped__`` for one of these names, and what they read."""
    wanted, found = set(names), []
    for place, value in _attributes():
        for name, function in _within(place, value):
            if type(function) is types.FunctionType and "__wrapped__" in function.__code__.co_names:
                steps = pairwise(one.argval for one in dis.get_instructions(function) if one.opname.startswith("LOAD"))
                found += [
                    f"{name} ({one}.__wrapped__)" for one, then in steps if then == "__wrapped__" and one in wanted
                ]
    return sorted(dict.fromkeys(found))


def _attributes() -> Iterator[Named]:
    """Yield what the modules and their classes have, each by the name of the first module in which it stands."""
    modules: list[Named] = sorted(sys.modules.items())
    seen = set()
    for name, module in modules:
        if issubclass(type(module), types.ModuleType) and id(module) not in seen:
            seen.add(id(module))
            names = object.__getattribute__(module, "__dict__")  # a lazy module stays one
            for key, value in list(names.items()):
                yield f"{name}.{key}", value
                if _is_class(value) and value.__module__ == names.get("__name__"):
                    yield from _members(f"{name}.{key}", value)


def _is_class(value: object) -> bool:
    return issubclass(type(value), type)  # not isinstance(): a lazy object would be made to answer


def _members(name: str, owner: type) -> Iterator[Named]:
    for key, value in list(vars(owner).items()):
        yield f"{name}.{key}", value
        if _is_class(value) and value.__qualname__ == f"{owner.__qualname__}.{key}":
            yield from _members(f"{name}.{key}", value)


def _within(name: str, value: Any) -> Iterator[Named]:
    """Yield a value, and what it calls or holds."""
    yield name, value
    kind = type(value)
    if kind in (classmethod, staticmethod, types.MethodType):
        yield from _within(name, value.__func__)
    elif kind is functools.partial:
        yield from _within(f"{name} (partial)", value.func)
    elif kind is types.FunctionType:
        yield from _held(name, value)
    elif kind is dict:
        yield from ((f"{name}[{key!r}]", one) for key, one in list(value.items()) if type(key) in (str, int))
    elif kind in (list, tuple):
        yield from ((f"{name}[{number}]", one) for number, one in enumerate(value))


def _held(name: str, function: types.FunctionType) -> Iterator[Named]:
    for one in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
        yield f"{name} (default argument)", one
    for cell in function.__closure__ or ():
        try:
            yield f"{name} (closure)", cell.cell_contents
        except ValueError:  # it is empty
            continue
