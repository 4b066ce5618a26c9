"""botocore's description of the service, compiled into checks.

The description is read as data, without importing botocore, which would take half the time of starting an
emulator. botocore's own checks are made for callers and are slow; these are the same as closures, plus those
that it leaves to the service: enumerations, patterns and greatest lengths. A property test compares the two.
"""

from __future__ import annotations

import gzip
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

__all__ = ("Check", "Operation", "Problems", "describe", "enumeration", "operations")

_MODEL: Final = "data/license-manager/2018-08-01/service-2.json"

# The service answers empty strings and empty lists with an error although its model does not say so.
_MAY_BE_EMPTY: Final = frozenset({"Metadata.Value", "Tag.Value"})
_NEVER_EMPTY_LISTS: Final = frozenset({"EntitlementDataList", "EntitlementList", "FilterValues"})

_RANGES: Final = {"integer": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}


class Problems:
    """The problems of a message: values of the wrong kind, and broken constraints."""

    __slots__ = ("constraints", "kinds")

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.constraints: list[str] = []

    def __bool__(self) -> bool:
        return bool(self.kinds or self.constraints)


Check = Callable[[object, str, Problems], None]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its name, and the checks of its requests and answers."""

    name: str
    check_request: Check
    check_answer: Check
    errors: frozenset[str]
    has_answer: bool


Shape = Mapping[str, Any]


@cache
def operations() -> frozenset[str]:
    """Return the names of all operations of the real service."""
    return frozenset(_model()["operations"])


@cache
def enumeration(shape: str) -> frozenset[str]:
    """Return the words that a shape allows."""
    return frozenset(_model()["shapes"][shape]["enum"])


@cache
def describe(name: str) -> Operation:
    """Return the description of one operation."""
    operation = _model()["operations"][name]
    answer = operation.get("output", {}).get("shape")
    return Operation(
        name=name,
        check_request=_compile(operation["input"]["shape"], strict=True),
        check_answer=_compile(answer, strict=False),
        errors=frozenset(error["shape"] for error in operation["errors"]),
        has_answer=answer is not None and bool(_model()["shapes"][answer]["members"]),
    )


@cache
def _model() -> Mapping[str, Any]:
    found = find_spec("botocore")
    for folder in (found and found.submodule_search_locations) or ():
        for suffix, read in ((".gz", gzip.decompress), ("", bytes)):
            file = Path(folder, _MODEL + suffix)
            if file.exists():
                model: Mapping[str, Any] = json.loads(read(file.read_bytes()))
                return model
    raise ImportError(f"botocore's {_MODEL} was not found: pip install botocore")


def _compile(name: str | None, *, strict: bool) -> Check:
    if name is None:
        return _anything
    shape = _model()["shapes"][name]
    kind = shape["type"]
    if kind == "structure":
        return _structure(name, shape, strict=strict)
    if kind == "list":
        return _list(name, shape, strict=strict)
    if kind == "string":
        return _string(shape, strict=strict)
    if kind in _RANGES:
        return _whole(shape)
    if kind == "boolean":
        return _boolean
    raise NotImplementedError(f"no check for a {kind}")


def _anything(value: object, path: str, problems: Problems) -> None:
    pass


def _boolean(value: object, path: str, problems: Problems) -> None:
    if type(value) is not bool:
        problems.kinds.append(f"{_kind(value)} can not be converted to a Boolean at '{path}'")


def _structure(name: str, shape: Shape, *, strict: bool) -> Check:
    checks = {key: _compile(member["shape"], strict=strict) for key, member in shape["members"].items()}
    if f"{name}.Value" in _MAY_BE_EMPTY:
        checks["Value"] = _string(_model()["shapes"]["String"], strict=strict, may_be_empty=True)
    required = tuple(shape.get("required", ()))

    def check(value: object, path: str, problems: Problems) -> None:
        if type(value) is not dict:
            problems.kinds.append(f"{_kind(value)} can not be converted to a structure at '{path}'")
            return
        prefix = path + "." if path else ""
        for key in required:
            if key not in value:
                problems.constraints.append(_failed(prefix + key, "Member must not be null"))
        for key, member in value.items():
            known = checks.get(key)
            if known is None:
                problems.constraints.append(_failed(prefix + key, "Member is not known"))
            else:
                known(member, prefix + key, problems)

    return check


def _list(name: str, shape: Shape, *, strict: bool) -> Check:
    member = _compile(shape["member"]["shape"], strict=strict)
    least, most = _limits(shape, strict=strict)
    if strict and name in _NEVER_EMPTY_LISTS:
        least = max(least, 1)

    def check(value: object, path: str, problems: Problems) -> None:
        if type(value) is not list:
            problems.kinds.append(f"{_kind(value)} can not be converted to a list at '{path}'")
            return
        if not least <= len(value) <= most:
            _complain_of_length(len(value), least, most, path, problems)
        for index, one in enumerate(value):
            member(one, f"{path}[{index}]", problems)

    return check


def _string(shape: Shape, *, strict: bool, may_be_empty: bool = False) -> Check:
    words = frozenset(shape.get("enum", ()))
    allowed = "[" + ", ".join(sorted(words)) + "]"
    text = shape.get("pattern") if strict else None
    pattern = re.compile(text) if text else None
    least, most = _limits(shape, strict=strict)
    if strict and not may_be_empty:
        least = max(least, 1)

    def check(value: object, path: str, problems: Problems) -> None:
        if type(value) is not str:
            problems.kinds.append(f"{_kind(value)} can not be converted to a String at '{path}'")
        elif words:
            if value not in words:
                problems.constraints.append(_failed(path, f"Member must satisfy enum value set: {allowed}"))
        else:
            if not least <= len(value) <= most:
                _complain_of_length(len(value), least, most, path, problems)
            if pattern is not None and value and not pattern.fullmatch(value):
                problems.constraints.append(_failed(path, f"Member must satisfy regular expression pattern: {text}"))

    return check


def _whole(shape: Shape) -> Check:
    lowest, highest = _RANGES[shape["type"]]
    least, most = shape.get("min"), shape.get("max")

    def check(value: object, path: str, problems: Problems) -> None:
        if type(value) is not int or not lowest <= value <= highest:
            problems.kinds.append(f"{_kind(value)} can not be converted to a whole number at '{path}'")
        elif least is not None and value < least:
            problems.constraints.append(_failed(path, f"Member must have value greater than or equal to {least}"))
        elif most is not None and value > most:
            problems.constraints.append(_failed(path, f"Member must have value less than or equal to {most}"))

    return check


def _limits(shape: Shape, *, strict: bool) -> tuple[int, float]:
    return (shape.get("min", 0), shape.get("max", math.inf)) if strict else (0, math.inf)


def _complain_of_length(length: int, least: int, most: float, path: str, problems: Problems) -> None:
    limit = f"greater than or equal to {least}" if length < least else f"less than or equal to {most}"
    problems.constraints.append(_failed(path, f"Member must have length {limit}"))


def _failed(path: str, constraint: str) -> str:
    return f"Value at '{path}' failed to satisfy constraint: {constraint}"


def _kind(value: object) -> str:
    kinds = {bool: "Boolean", int: "Number", float: "Number", str: "String", list: "Array", dict: "Object"}
    return kinds.get(type(value), "Null")
