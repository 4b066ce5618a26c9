"""Check-ins: leases that are given back on workers, at once or as soon as the budget lets them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError

from .agenda import Errand
from .deferrals import Waiting
from .records import Record
from .renewal import Renewal
from .returns import Owed, Returns
from .waits import Wait, unresolved
from .workers import Workers

CHECK_IN_WAIT = 2.0  # seconds a caller waits for its seat to be given back before it goes on


class CheckIns:
    """Gives back the leases of one guard.

    :param drop: hears of a seat that nobody can want any more.
    """

    def __init__(self, lane: Workers, returns: Returns, renewal: Renewal, drop: Callable[[Record], None]) -> None:
        self._lane = lane
        self._returns = returns
        self._deferrals = renewal.deferrals
        self._drop = drop
        self.under_way: set[Future[None]] = set()
        returns.on_failure = functools.partial(renewal.remind, Errand(self._collect))
        returns.waits = self._deferrals.__contains__

    def give_back(self, record: Record, *, if_idle: bool = False, has_waited: bool = False) -> Wait | None:
        """Check the record's lease in, on a worker.

        :param has_waited: True where it has had its place in the budget.
        """
        done = unresolved()
        try:
            return self._give_back(record, done, if_idle, has_waited)
        except BaseException:  # of a signal handler: what it kept from being done is done behind it
            if self._lane.is_inline:  # what is owed goes back before the next question
                self._settle(done)
            else:
                self._lane.submit(functools.partial(self._give_back_again, record, done, if_idle=if_idle))
            raise

    def _give_back(self, record: Record, done: Future[None], if_idle: bool, has_waited: bool) -> Wait | None:
        with record.lock:
            owed = record.let_go(if_idle=if_idle)
            if owed is not None:
                record.noted().returning = done
        if record.is_abandoned:  # not where a call took it up again
            self._drop(record)
        if owed is None:
            return None
        waiting = Waiting(owed.requirement, owed.key, functools.partial(self._begin, owed, done), done=done)
        if has_waited or self._deferrals.lets_check_in(owed, waiting):
            self._begin(owed, done)
        return Wait(done, CHECK_IN_WAIT)

    def _begin(self, owed: Owed, done: Future[None]) -> Future[None]:
        self.under_way.add(done)
        self._lane.submit(functools.partial(self._return, owed, done))
        return done

    def _give_back_again(self, record: Record, done: Future[None], *, if_idle: bool) -> None:
        try:
            self.give_back(record, if_idle=if_idle)
            self._returns.collect()
        finally:
            self._settle(done)

    def _return(self, owed: Owed, done: Future[None]) -> None:
        try:
            self._returns.give_back(owed)
        finally:
            self._settle(done)

    def _settle(self, done: Future[None]) -> None:
        self.under_way.discard(done)
        with contextlib.suppress(InvalidStateError):  # settled already
            done.set_result(None)

    def _collect(self) -> None:
        self._lane.submit(self._returns.collect)
