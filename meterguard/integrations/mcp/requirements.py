"""Rules: which tools, resources and prompts need an entitlement, by name, pattern and tag."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from fnmatch import translate
from functools import lru_cache
from typing import NamedTuple

from ...default import CURRENT, requires_entitlement
from ...errors import ConfigurationError
from ...gating.admission import Guard
from ...gating.draw import Draw, JoinedDraw, Meter
from ...gating.gate import Gate
from ...model import shortened

Requires = Mapping[str, object]
"""Names, patterns and tags, and what a gate takes, or a gate, a draw or a meter, for each."""
Barrier = Gate | Draw | JoinedDraw | Meter
BARRIERS = (Gate, Draw, JoinedDraw, Meter)
KINDS = ("tag", "resource", "prompt", "tool")


class Rule(NamedTuple):
    """One line of ``requires``."""

    kind: str
    """What it is about: ``tool``, ``tag``, ``resource`` or ``prompt``."""
    said: str
    name: re.Pattern[str]
    barrier: Barrier


class Rules:
    """The rules of one server.

    :param guard: the guard of the gates that name none; None: the default one, as it is when it is needed.
    :raises ConfigurationError: a rule is wrong.
    """

    def __init__(self, requires: Requires | None, guard: Guard | None) -> None:
        if requires is not None and not isinstance(requires, Mapping):
            raise ConfigurationError(
                f"requires must be a dict of tools' names, such as {{'export': ('Export',)}}; got {shortened(requires)}"
            )
        self._rules = [_rule(said, needed, guard) for said, needed in (requires or {}).items()]
        self._has_tags = any(rule.kind == "tag" for rule in self._rules)
        self._by_name = lru_cache(maxsize=4096)(self._look_up)  # clients may ask for any name

    def __bool__(self) -> bool:
        return bool(self._rules)

    @property
    def has_tags(self) -> bool:
        """True where a tool's name does not say all."""
        return self._has_tags

    @property
    def barriers(self) -> tuple[Barrier, ...]:
        """The gates, draws and meters of all rules."""
        return tuple(rule.barrier for rule in self._rules)

    def of(self, kind: str, name: str, tags: Collection[str] = ()) -> tuple[Barrier, ...]:
        """Return what stands before a tool, a resource or a prompt, in the order in which it was declared."""
        return self._by_name(kind, name, frozenset(tags) if self._has_tags else frozenset())

    def unused(self, offered: Collection[tuple[str, str, Collection[str]]]) -> Iterator[str]:
        """Yield the rules that match nothing of this: kinds, names and tags."""
        for rule in self._rules:
            if not any(_matches(rule, *one) for one in offered):
                yield rule.said

    def _look_up(self, kind: str, name: str, tags: frozenset[str]) -> tuple[Barrier, ...]:
        return tuple(rule.barrier for rule in self._rules if _matches(rule, kind, name, tags))


def _matches(rule: Rule, kind: str, name: str, tags: Collection[str]) -> bool:
    if rule.kind == "tag":
        return any(map(rule.name.match, tags))
    return rule.kind == kind and rule.name.match(name) is not None


def _rule(said: object, needed: object, guard: Guard | None) -> Rule:
    if not isinstance(said, str) or not said:
        raise ConfigurationError(f"a key of requires must be a tool's name, a pattern or 'tag:...'; got {said!r}")
    prefix, _, rest = said.partition(":")
    kind, name = (prefix, rest) if prefix in KINDS and rest else ("tool", said)
    barrier = _barrier(f"requires[{said!r}]", needed)
    if guard is not None and barrier.guard is CURRENT:
        barrier = barrier.of(guard)
    return Rule(kind, said, re.compile(translate(name)), barrier)


def _barrier(where: str, needed: object) -> Barrier:
    if isinstance(needed, BARRIERS):
        if needed.degrades or needed.keyword is not None or needed.is_itemized:
            raise ConfigurationError(
                f"fallback=, default=, pass_lease=, pass_charge= and per_item= go with a decorated function; {where} "
                "has none: put the decorator below the one that registers the tool"
            )
        return needed
    needs = (needed,) if isinstance(needed, str) else needed
    if not isinstance(needs, tuple | list) or not 1 <= len(needs) <= 3:
        raise ConfigurationError(
            f"{where} must be a name, or a name, a value and a unit, such as ('Seats', 1, 'Count'), or a gate, a draw "
            f"or a meter; got {shortened(needed)}"
        )
    declare: Callable[..., Gate] = requires_entitlement  # it checks what it is given
    return declare(*needs)
