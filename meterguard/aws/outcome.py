"""Outcomes of calls of boto3: an answer or an exception, which no repr shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..interruption import Interruption, raised_by_handler
from ..secret import Secret

Made = TypeVar("Made")

_DEEPEST = 10  # levels; the answers of the service have five


@dataclass(frozen=True, slots=True)
class Answer(Generic[Made]):
    """A call returned."""

    made: Made = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """A call raised."""

    trouble: Exception = field(repr=False)


def attempt(call: Callable[[], Made]) -> Answer[Made] | Failure:
    """Call it. An exception is returned, so that the error raised later has no context with the service's text."""
    try:
        return Answer(call())
    except BaseException as exc:
        raised = raised_by_handler(exc)
        if raised is None:
            if isinstance(exc, Exception):  # translate() raises again what it does not know
                return Failure(exc)
            raise
    raise Interruption(raised)


def hidden(value: object, depth: int = 0) -> object:
    """Return a copy of an answer in which every text is a :class:`Secret`."""
    if depth > _DEEPEST:
        return None
    match value:
        case str():
            return Secret(value)
        case Mapping():
            return {key: hidden(one, depth + 1) for key, one in value.items()}
        case list() | tuple():
            return [hidden(one, depth + 1) for one in value]
    return value
