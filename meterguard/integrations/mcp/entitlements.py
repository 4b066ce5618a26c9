"""Entitlements of one server: what stands before its tools, resources and prompts, whichever server it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import anyio

from ...default import CURRENT, get_guard
from ...errors import ConfigurationError
from ...gating.admission import Entered, Guard
from ...gating.gate import Gate
from ...gating.registration import barriers, is_bypassed
from ...guard import MeterGuard
from ..audit import Registered, audit
from ..settings import check, check_guard
from . import sessions
from .answers import is_failed
from .changes import Changes
from .requirements import BARRIERS, Barrier, Requires, Rules
from .visibility import Listing

R = TypeVar("R")
T = TypeVar("T")

_log = logging.getLogger("meterguard.integrations")


class Offered(NamedTuple):
    """A tool, resource or prompt as the rules see it."""

    kind: str
    name: str
    tags: Collection[str] = ()
    function: object = None
    """The function behind it, where there is one."""


class Entitlements:
    """The entitlements of one server.

    :raises ConfigurationError: an argument is wrong.
    """

    def __init__(
        self, guard: MeterGuard | None = None, requires: Requires | None = None, hide: bool = True, strict: bool = True
    ) -> None:
        check_guard(guard)
        check("hide", hide, isinstance(hide, bool), "True or False")
        check("strict", strict, isinstance(strict, bool), "True or False")
        self.rules = Rules(requires, guard)
        self.hide = hide
        self.strict = strict
        self.changes = Changes()
        self._listing = Listing(self.changes)
        self.is_served_over_http = False
        self._guards: set[Guard] = set()
        self._ask(self.rules.barriers)

    def _ask(self, barriers: Iterable[Barrier]) -> None:
        guards = {barrier.guard for barrier in barriers}
        self._guards |= guards
        sessions.asks(guards)

    # -- calling -----------------------------------------------------------------------------------

    def through(
        self, before: Iterable[Barrier], arguments: Mapping[str, object], call: Callable[[], Awaitable[R]]
    ) -> Awaitable[R]:
        """Make a call behind what stands before it, and return its result.

        :raises EntitlementDenied: it is not let through; so do the other errors of entering a gate.
        """
        closed = [barrier for barrier in before if not (isinstance(barrier, Gate) and barrier.is_open())]
        return _entered(closed, arguments, call) if closed else call()

    def check_order(self, function: object, instance: str) -> None:
        """Refuse a call of a function whose guard stands above its registration, unless that is only warned of.

        :raises ConfigurationError: it does.
        """
        if self.strict and is_bypassed(function):
            audit([(instance, function)], strict=True)

    # -- listing -----------------------------------------------------------------------------------

    async def shown(self, offered: Sequence[T], described: Callable[[T], Offered]) -> list[T]:
        """Return what is to be listed."""
        if not self.hide:
            return list(offered)
        self.changes.kinds |= {described(one).kind for one in offered}
        return await self._listing.granted(offered, lambda one: self._before(described(one)))

    def _before(self, one: Offered) -> tuple[Barrier, ...]:
        behind = tuple(barrier for barrier in barriers(one.function) if isinstance(barrier, BARRIERS))
        self._ask(behind)
        return (*self.rules.of(one.kind, one.name, one.tags), *behind)

    # -- starting ----------------------------------------------------------------------------------

    def audit(self, registered: Iterable[Registered], offered: Iterable[Offered]) -> None:
        """Look for guards that never run, and for rules that match nothing.

        :raises ConfigurationError: a guard stands above a registration, and this is not only warned of.
        """
        audit(registered, strict=self.strict)
        unused = list(self.rules.unused([(one.kind, one.name, one.tags) for one in offered]))
        if unused:
            _log.warning("requires names what this server does not offer: %s", ", ".join(unused))

    async def end(self) -> None:
        """Give all leases back where the server was one over HTTP.

        Such a server is stopped by a signal, after which Python's own hooks do not run. Any other ends with its
        process, or is one of several that a client has in memory.
        """
        if self.is_served_over_http:
            self.is_served_over_http = False
            with anyio.CancelScope(shield=True):
                await asyncio.to_thread(self._give_back)

    def _give_back(self) -> None:
        for guard in self._guards:
            with contextlib.suppress(ConfigurationError):  # a guard that is not set up has no leases
                asked: Any = get_guard() if guard is CURRENT else guard
                asked.close()
                asked.reopen()  # it may be somebody else's, too


async def _entered(before: Iterable[Barrier], arguments: Mapping[str, object], call: Callable[[], Awaitable[R]]) -> R:
    entered: list[Entered[Any]] = []
    try:
        for barrier in before:
            one = await barrier.aenter(**arguments)
            entered.append(one)
    except BaseException:
        for one in entered:
            one.cancel()
        raise
    return await _ended(entered, call)


async def _ended(entered: Sequence[Entered[Any]], call: Callable[[], Awaitable[R]]) -> R:
    try:
        result = await call()
    except GeneratorExit:  # it is thrown away, and must not await
        for one in entered:
            one.drop()
        raise
    except BaseException:
        for one in entered:
            await one.afail()
        raise
    for one in entered:
        await (one.afail() if is_failed(result) else one.arelease())
    return result
