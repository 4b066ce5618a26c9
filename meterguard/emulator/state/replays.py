"""The answers to ``ClientToken``s, for as long as the service remembers them."""

from __future__ import annotations

from collections import deque
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Final

from ..protocol.errors import ServiceError
from ..protocol.messages import Answer, Parameters
from ..protocol.quantities import by_value
from .switches import Behavior

__all__ = ("Remembered", "Replays")

Key = tuple[str, str, str]

_CREATE_TOKEN_SECONDS: Final = 600
_METERING: Final = "MeterUsage"


@dataclass(frozen=True, slots=True)
class Remembered:
    """The first request with a token, its answer, and the moment until which it is remembered."""

    asked: Parameters = field(repr=False)
    answer: Answer = field(repr=False)
    until: float


class Replays:
    """First answers by account, operation and token. Only successes are remembered."""

    def __init__(self, behavior: Behavior, answers: MutableMapping[Key, Remembered]) -> None:
        self._behavior = behavior
        self._answers = answers
        self._order = deque((known.until, key) for key, known in answers.items())

    def find(self, key: Key, parameters: Parameters, now: float) -> Answer | None:
        """Return the first answer to a token, if there is one."""
        self._forget(now)
        known = self._answers.get(key)
        if known is None or known.until <= now:
            return None
        if _compared(key[1], known.asked) != _compared(key[1], parameters):
            is_metering = key[1] == _METERING
            code = "IdempotencyConflictException" if is_metering else self._behavior.replay_mismatch_error
            raise ServiceError(code, "The client token was used before with other parameters.")
        return known.answer

    def remember(self, key: Key, parameters: Parameters, answer: Answer, now: float) -> None:
        """Keep the first answer to a token."""
        windows = {"CreateToken": _CREATE_TOKEN_SECONDS, _METERING: self._behavior.metering_replay_window}
        until = now + windows.get(key[1], self._behavior.replay_window)
        self._answers[key] = Remembered(parameters, answer, until)
        self._order.append((until, key))

    def _forget(self, now: float) -> None:
        while self._order and self._order[0][0] <= now:
            until, key = self._order.popleft()
            known = self._answers.get(key)
            if known is not None and known.until == until:
                del self._answers[key]


def _compared(operation: str, parameters: Parameters) -> Parameters:
    """Return parameters so that two are equal if the operation takes them for the same."""
    return by_value(parameters) if operation == _METERING else parameters
