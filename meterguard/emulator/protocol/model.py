"""botocore's descriptions of the services, compiled into checks.

A description is read as data, without importing botocore, which would take half the time of starting an
emulator. botocore's own checks are made for callers and are slow; these are the same as closures, plus those
that it leaves to the service: enumerations, patterns and greatest lengths. A property test compares the two.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

__all__ = (
    "ENTITLEMENT",
    "KMS",
    "LICENSE_MANAGER",
    "METERING",
    "STS",
    "Check",
    "Model",
    "Operation",
    "Problems",
    "is_operation",
)

# License Manager answers empty strings and empty lists with an error although its model does not say so.
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
    """One operation: its name, the checks of its requests and answers, and the codes of its errors."""

    name: str
    check_request: Check
    check_answer: Check
    errors: frozenset[str]
    has_answer: bool
    numbers: frozenset[str] = frozenset()
    """The members of a request that are whole numbers."""


Shape = Mapping[str, Any]


class Model:
    """The description of one service.

    Args:
        folder: The place of the description among botocore's data.
        takes_empty: False: texts and some lists must not be empty, although the description allows it.
        loose: The shapes whose upper limits and patterns the operation itself checks, with an error of its own.
    """

    def __init__(self, folder: str, *, takes_empty: bool = True, loose: Collection[str] = ()) -> None:
        self.takes_empty = takes_empty
        self._loose = loose
        self._file = f"data/{folder}/service-2.json"
        self._described: dict[str, Operation] = {}

    @cached_property
    def operations(self) -> frozenset[str]:
        """Return the names of all operations of the real service."""
        return frozenset(self._document["operations"])

    def enumeration(self, shape: str) -> frozenset[str]:
        """Return the words that a shape allows."""
        return frozenset(self.shape(shape)["enum"])

    def describe(self, name: str) -> Operation:
        """Return the description of one operation."""
        known = self._described.get(name)
        if known is None:
            known = self._described[name] = self._describe(name)
        return known

    def shape(self, name: str) -> Shape:
        """Return the description of a shape."""
        shape: Shape = self._document["shapes"][name]
        if name in self._loose:
            return {key: value for key, value in shape.items() if key not in ("max", "pattern")}
        return shape

    def _describe(self, name: str) -> Operation:
        operation = self._document["operations"][name]
        asked, answer = operation["input"]["shape"], operation.get("output", {}).get("shape")
        members = self.shape(asked)["members"]
        return Operation(
            name=name,
            check_request=_compile(self, asked, strict=True),
            check_answer=_anything if answer is None else _compile(self, answer, strict=False),
            errors=frozenset(self._code(error["shape"]) for error in operation.get("errors", ())),
            has_answer=answer is not None and bool(self.shape(answer)["members"]),
            numbers=frozenset(key for key, one in members.items() if self.shape(one["shape"])["type"] in _RANGES),
        )

    def _code(self, error: str) -> str:
        code: str = self.shape(error).get("error", {}).get("code", error)
        return code

    @cached_property
    def _document(self) -> Mapping[str, Any]:
        found = find_spec("botocore")
        for folder in (found and found.submodule_search_locations) or ():
            for suffix, read in ((".gz", gzip.decompress), ("", bytes)):
                file = Path(folder, self._file + suffix)
                if file.exists():
                    document: Mapping[str, Any] = json.loads(read(file.read_bytes()))
                    return document
        raise ImportError(f"botocore's {self._file} was not found: pip install botocore")


LICENSE_MANAGER: Final = Model("license-manager/2018-08-01", takes_empty=False)
KMS: Final = Model("kms/2014-11-01")
STS: Final = Model("sts/2011-06-15")
METERING: Final = Model("meteringmarketplace/2016-01-14", loose=("TagList", "TagKey", "TagValue"))
ENTITLEMENT: Final = Model("marketplace-entitlement/2017-01-11")


def is_operation(name: str) -> bool:
    """Return whether one of the real services has an operation of that name."""
    return any(name in model.operations for model in (LICENSE_MANAGER, METERING, ENTITLEMENT, STS, KMS))


def _compile(model: Model, name: str, *, strict: bool) -> Check:
    shape = model.shape(name)
    kind = shape["type"]
    if kind in _NESTED:
        return _NESTED[kind](model, name, shape, strict=strict)
    if kind == "string":
        return _string(shape, strict=strict, may_be_empty=model.takes_empty)
    if kind == "blob":
        return _blob(shape, strict=strict)
    if kind in _RANGES:
        return _whole(shape)
    if kind == "timestamp":
        return _number if strict else _timestamp
    return _PLAIN[kind]


def _anything(value: object, path: str, problems: Problems) -> None:
    pass


def _boolean(value: object, path: str, problems: Problems) -> None:
    if type(value) is not bool:
        problems.kinds.append(f"{_kind(value)} can not be converted to a Boolean at '{path}'")


def _timestamp(value: object, path: str, problems: Problems) -> None:
    if type(value) not in (int, float, str):
        problems.kinds.append(f"{_kind(value)} can not be converted to a Timestamp at '{path}'")


def _number(value: object, path: str, problems: Problems) -> None:
    if type(value) not in (int, float):
        problems.kinds.append(f"{_kind(value)} can not be converted to a number at '{path}'")


_PLAIN: Final[Mapping[str, Check]] = {"boolean": _boolean, "double": _number}


def _structure(model: Model, name: str, shape: Shape, *, strict: bool) -> Check:
    checks = {key: _compile(model, member["shape"], strict=strict) for key, member in shape["members"].items()}
    if f"{name}.Value" in _MAY_BE_EMPTY and not model.takes_empty:
        checks["Value"] = _string(model.shape("String"), strict=strict, may_be_empty=True)
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


def _list(model: Model, name: str, shape: Shape, *, strict: bool) -> Check:
    member = _compile(model, shape["member"]["shape"], strict=strict)
    least, most = _limits(shape, strict=strict)
    if strict and not model.takes_empty and name in _NEVER_EMPTY_LISTS:
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


def _map(model: Model, _name: str, shape: Shape, *, strict: bool) -> Check:
    known = _compile(model, shape["key"]["shape"], strict=strict)
    member = _compile(model, shape["value"]["shape"], strict=strict)

    def check(value: object, path: str, problems: Problems) -> None:
        if type(value) is not dict:
            problems.kinds.append(f"{_kind(value)} can not be converted to a map at '{path}'")
            return
        for key, one in value.items():
            known(key, path, problems)
            member(one, f"{path}.{key}", problems)

    return check


_NESTED: Final = {"structure": _structure, "list": _list, "map": _map}


def _string(shape: Shape, *, strict: bool, may_be_empty: bool) -> Check:
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


def _blob(shape: Shape, *, strict: bool) -> Check:
    least, most = _limits(shape, strict=strict)

    def check(value: object, path: str, problems: Problems) -> None:
        try:
            length = len(base64.b64decode(value, validate=True)) if isinstance(value, str) else None
        except (ValueError, binascii.Error):
            length = None
        if length is None:
            problems.kinds.append(f"{_kind(value)} can not be converted to a Blob at '{path}'")
        elif not least <= length <= most:
            _complain_of_length(length, least, most, path, problems)

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
