"""Requests made from botocore's model: right ones, and all the ways in which one member of them can be wrong."""

from __future__ import annotations

import re

from botocore.loaders import Loader
from botocore.model import ServiceModel

from meterguard.emulator.operations.table import OPERATIONS

MODEL = ServiceModel(Loader().load_service_model("license-manager", "service-2"), "license-manager")
NAMES = sorted(OPERATIONS)
CONTENT_TYPE = "application/x-amz-json-1.1"

# Values that a pattern or a meaning asks for; anything else is a text.
_TEXTS = ("x", "arn:aws:license-manager::111122223333:license:l-1", "2026-01-01T00:00:00Z")
_RANGES = {"integer": 2**31, "long": 2**63}
_KINDS = {
    "structure": ({}, dict),
    "list": ([], list),
    "string": ("x", str),
    "boolean": (True, bool),
    "integer": (1, int),
    "long": (1, int),
}
_OF_EVERY_KIND = ("x", 1, 1.5, True, [], {}, ["x"], {"x": "x"})


def shape_of(operation):
    """What an operation takes."""
    return MODEL.operation_model(operation).input_shape


def refusal_of(operation):
    """How an operation says that a constraint is broken."""
    errors = {shape.name for shape in MODEL.operation_model(operation).error_shapes}
    return "ValidationException" if "ValidationException" in errors else "InvalidParameterValueException"


def right(shape):
    """A value of a shape with every member there is."""
    if shape.type_name == "structure":
        return {name: right(member) for name, member in shape.members.items()}
    if shape.type_name == "list":
        return [right(shape.member)]
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else next(text for text in _TEXTS if _fits(shape, text))
    return _KINDS[shape.type_name][0]


def wrong(shape):
    """``(what is wrong, value, is it of another kind)`` for each way to be wrong in one place, however deep."""
    yield from _of_another_kind(shape)
    limits = shape.metadata
    if shape.type_name == "structure":
        yield from _wrong_members(shape)
    elif shape.type_name == "list":
        for said, value, is_kind in wrong(shape.member):
            yield f"[0]{said}", [value], is_kind
        yield from ((f" has {n}", [right(shape.member)] * n, False) for n in _outside(limits))
    elif shape.type_name == "string":
        yield from _wrong_texts(shape)
    else:
        yield from ((f" is {n}", n, False) for n in _outside(limits))


def _outside(limits):
    """The numbers just below the least and just above the most."""
    return [limits[name] + step for name, step in (("min", -1), ("max", 1)) if name in limits]


def _of_another_kind(shape):
    kind = _KINDS[shape.type_name][1]
    for value in _OF_EVERY_KIND:
        if type(value) is not kind:
            yield f" is {value!r}", value, True
    if shape.type_name in _RANGES:
        most = _RANGES[shape.type_name]
        yield from ((f" is {value}", value, True) for value in (most, -most - 1, 10**4000, 1e300))


def _wrong_members(shape):
    whole = right(shape)
    for name, member in shape.members.items():
        if name in shape.required_members:
            yield f".{name} is missing", {other: whole[other] for other in whole if other != name}, False
            yield f".{name} is null", {**whole, name: None}, False
        for said, value, is_kind in wrong(member):
            yield f".{name}{said}", {**whole, name: value}, is_kind
    yield ".Colour is unknown", {**whole, "Colour": "red"}, False


def _wrong_texts(shape):
    if shape.enum:
        yield from ((f" is {text!r}", text, False) for text in ("", "x", shape.enum[0].lower() + " "))
        return
    most = shape.metadata.get("max")
    if most is not None:
        yield f" is longer than {most}", _TEXTS[1] + "x" * most, False
    if "pattern" in shape.metadata:
        odd = ("", "two words", " ", "\n", "\0", "\ud800 ", "-")
        yield from ((f" is {text!r}", text, False) for text in odd if not _fits(shape, text))


def _fits(shape, text):
    pattern = shape.metadata.get("pattern")
    return pattern is None or re.fullmatch(pattern, text) is not None
