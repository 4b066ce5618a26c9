"""botocore's description of the service, compiled into checks.

botocore's own validator is made for callers, who want one long text, and takes as long as all the rest of a
request. These are the same checks as closures, plus those that botocore leaves to the service: enumerations,
patterns and greatest lengths. A property test holds them against botocore's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from botocore.loaders import Loader  # type: ignore[import-untyped]
from botocore.model import ListShape, OperationModel, ServiceModel, Shape, StructureShape  # type: ignore[import-untyped]

__all__ = ("Check", "Operation", "Problems", "describe", "enumeration", "operations")

_SERVICE: Final = "license-manager"

# The service answers empty strings and empty lists with an error although its model does not say so.
_MAY_BE_EMPTY: Final = frozenset({"Metadata.Value", "Tag.Value"})
_NEVER_EMPTY_LISTS: Final = frozenset({"EntitlementDataList", "EntitlementList", "FilterValues"})

_RANGES: Final = {"integer": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}


class Problems:
    """What is wrong with a message: values of the wrong kind, and broken constraints."""

    __slots__ = ("constraints", "kinds")

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.constraints: list[str] = []

    def __bool__(self) -> bool:
        return bool(self.kinds or self.constraints)


Check = Callable[[Any, str, Problems], None]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its name and the checks of what goes in and what comes out."""

    name: str
    check_request: Check
    check_answer: Check
    errors: frozenset[str]
    has_answer: bool


@cache
def _model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model(_SERVICE, "service-2"), _SERVICE)


@cache
def operations() -> frozenset[str]:
    """The names of all operations of the real service."""
    return frozenset(_model().operation_names)


@cache
def enumeration(shape: str) -> frozenset[str]:
    """The words that a shape allows."""
    return frozenset(_model().shape_for(shape).enum)


@cache
def describe(name: str) -> Operation:
    """The description of one operation."""
    model: OperationModel = _model().operation_model(name)
    answer = model.output_shape
    return Operation(
        name=name,
        check_request=_compile(model.input_shape, strict=True),
        check_answer=_compile(answer, strict=False),
        errors=frozenset(shape.name for shape in model.error_shapes),
        has_answer=bool(answer is not None and answer.members),
    )


def _compile(shape: Shape | None, *, strict: bool) -> Check:
    if isinstance(shape, StructureShape):
        return _structure(shape, strict=strict)
    if isinstance(shape, ListShape):
        return _list(shape, strict=strict)
    if shape is None:
        return _anything
    if shape.type_name == "string":
        return _string(shape, strict=strict)
    if shape.type_name in _RANGES:
        return _whole(shape)
    if shape.type_name == "boolean":
        return _boolean
    raise NotImplementedError(f"no check for a {shape.type_name}")


def _anything(value: Any, path: str, problems: Problems) -> None:
    pass


def _boolean(value: Any, path: str, problems: Problems) -> None:
    if type(value) is not bool:
        problems.kinds.append(f"{_kind(value)} can not be converted to a Boolean at '{path}'")


def _structure(shape: StructureShape, *, strict: bool) -> Check:
    checks = {name: _compile(member, strict=strict) for name, member in shape.members.items()}
    if strict and shape.name + ".Value" in _MAY_BE_EMPTY:
        checks["Value"] = _string(shape.members["Value"], strict=strict, may_be_empty=True)
    required = tuple(shape.required_members)

    def check(value: Any, path: str, problems: Problems) -> None:
        if type(value) is not dict:
            problems.kinds.append(f"{_kind(value)} can not be converted to a structure at '{path}'")
            return
        prefix = path + "." if path else ""
        for name in required:
            if name not in value:
                problems.constraints.append(_failed(prefix + name, "Member must not be null"))
        for name, member in value.items():
            known = checks.get(name)
            if known is None:
                problems.constraints.append(_failed(prefix + name, "Member is not known"))
            else:
                known(member, prefix + name, problems)

    return check


def _list(shape: ListShape, *, strict: bool) -> Check:
    member = _compile(shape.member, strict=strict)
    least, most = _limits(shape.metadata, strict=strict)
    if strict and shape.name in _NEVER_EMPTY_LISTS:
        least = max(least, 1)

    def check(value: Any, path: str, problems: Problems) -> None:
        if type(value) is not list:
            problems.kinds.append(f"{_kind(value)} can not be converted to a list at '{path}'")
            return
        if not least <= len(value) <= most:
            _complain_of_length(len(value), least, most, path, problems)
        for index, one in enumerate(value):
            member(one, f"{path}[{index}]", problems)

    return check


def _string(shape: Shape, *, strict: bool, may_be_empty: bool = False) -> Check:
    words = frozenset(getattr(shape, "enum", ()) or ())
    allowed = "[" + ", ".join(sorted(words)) + "]"
    text = shape.metadata.get("pattern") if strict else None
    pattern = re.compile(text) if text else None
    least, most = _limits(shape.metadata, strict=strict)
    if strict and not may_be_empty:
        least = max(least, 1)

    def check(value: Any, path: str, problems: Problems) -> None:
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
    lowest, highest = _RANGES[shape.type_name]
    least, most = shape.metadata.get("min"), shape.metadata.get("max")

    def check(value: Any, path: str, problems: Problems) -> None:
        if type(value) is not int or not lowest <= value <= highest:
            problems.kinds.append(f"{_kind(value)} can not be converted to a whole number at '{path}'")
        elif least is not None and value < least:
            problems.constraints.append(_failed(path, f"Member must have value greater than or equal to {least}"))
        elif most is not None and value > most:
            problems.constraints.append(_failed(path, f"Member must have value less than or equal to {most}"))

    return check


def _limits(metadata: Mapping[str, Any], *, strict: bool) -> tuple[int, float]:
    return (metadata.get("min", 0), metadata.get("max", math.inf)) if strict else (0, math.inf)


def _complain_of_length(length: int, least: int, most: float, path: str, problems: Problems) -> None:
    limit = f"greater than or equal to {least}" if length < least else f"less than or equal to {most}"
    problems.constraints.append(_failed(path, f"Member must have length {limit}"))


def _failed(path: str, constraint: str) -> str:
    return f"Value at '{path}' failed to satisfy constraint: {constraint}"


def _kind(value: Any) -> str:
    kinds = {bool: "Boolean", int: "Number", float: "Number", str: "String", list: "Array", dict: "Object"}
    return kinds.get(type(value), "Null")
