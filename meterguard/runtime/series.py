"""Series of attempts: one for all who want the same, while the service does not say yes."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..core import messages
from ..core.requirements import Requirement
from ..errors import ConfigurationError, EntitlementDenied
from ..ports import FaultKind, ServiceFault
from .clock import stopwatch
from .records import Record

AT_FIRST, MOST_AT_ONCE = 4, 32  # checkouts in the air while no answer was heard, and when all goes well
SHORT_TURN = 0.25  # seconds a checkout waits for those before it, where nothing is known to be wrong
PROMPTED = 0.4  # seconds after which one who comes in an outage has the next attempt made
MOST_KEPT = 1024


class Series:
    """The checkouts of one requirement, each with a lease of its own to get.

    They fly beside each other as far as the service was heard to say yes: a few at first, one more after each yes.
    A failure is shared by all that were wanted before it was heard, as copies: one that was raised refers, by its
    traceback, to the frames of every call that it went through. Without an answer one leads: only its attempts
    are made again, and the others wait for what it hears.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._in_air = 0
        self._most = AT_FIRST
        self._trouble: ServiceFault | None = None
        self._leader: object | None = None
        self._failure: Exception | None = None
        self._failed_at = -math.inf
        self._is_prompted = False
        self._is_closed = False

    @contextmanager
    def checkout(self, record: Record, since: float, until: float, *, is_open: bool) -> Iterator[Turn]:
        """Wait for a turn; what the body raises is heard by all who want the same.

        :param since: when this checkout was wanted, by the stopwatch.
        :param until: when its attempts are over.
        :param is_open: True where one of before may have got something, as the processes of a store know.
        :raises ConfigurationError: nobody wants it any more.
        :raises ServiceFault: nobody got an answer in time.
        :raises EntitlementDenied: a no was heard since this checkout was wanted.
        """
        turn = Turn(self, until)
        failure: Exception | None = None
        is_heard = True
        try:
            self._begin(turn, record, since, until, is_open)
            yield turn
        except (ServiceFault, EntitlementDenied) as problem:
            failure = problem
            raise
        except ConfigurationError:
            raise
        except BaseException:  # of a hook: it says nothing of the service
            is_heard = False
            raise
        finally:
            if turn.is_taken:
                self._end(turn, failure, is_heard)

    def _begin(self, turn: Turn, record: Record, since: float, until: float, is_open: bool) -> None:
        short = min(until, stopwatch() + SHORT_TURN)
        with self._changed:
            is_new = True
            while not (self._is_closed or self._has_turn(record, since, is_open)):
                left = (until if self._is_out() else short) - stopwatch()
                if left <= 0 and self._trouble is not None:
                    raise copy.copy(self._trouble)
                if left <= 0:
                    break
                if is_new and not self._is_prompted:
                    self._is_prompted = True
                    self._changed.notify_all()
                is_new = False
                self._changed.wait(left)
            if self._is_closed or record.is_abandoned:
                raise messages.closed()
            turn.is_taken = True
            self._in_air += 1
            if self._is_out() and self._leader is None:
                self._leader = turn

    def _has_turn(self, record: Record, since: float, is_open: bool) -> bool:
        # one whose answer was lost may have what the others are denied, and only its own token can tell
        owner = record.parent or record
        is_shared = _is_unknown(self._failure) or not (owner.state.pending or is_open)
        if self._failure is not None and self._failed_at >= since and is_shared:
            raise copy.copy(self._failure)
        return self._in_air < self._most or (self._is_out() and (self._leader is None or self._in_air < AT_FIRST))

    def _end(self, turn: Turn, failure: Exception | None, is_heard: bool) -> None:
        with self._changed:
            self._in_air -= 1
            is_definite = is_heard and not _is_unknown(failure)
            if is_definite:
                self._trouble = None
                self._most = 1 if failure is not None else min(MOST_AT_ONCE, max(AT_FIRST, self._most) + 1)
            if failure is not None and (is_definite or self._leader in (None, turn)):
                self._failure, self._failed_at = copy.copy(failure), stopwatch()
            if self._leader is turn:
                self._leader = None
            self._changed.notify_all()

    def may_retry(self, turn: Turn, trouble: ServiceFault, until: float) -> bool:
        """After an attempt without an answer: go on where this one leads, else once the leader was answered."""
        with self._changed:
            self._trouble, self._most = copy.copy(trouble), 1
            heard = self._failed_at
            while self._is_out() and self._leader not in (None, turn):
                left = until - stopwatch()
                if left <= 0 or self._is_closed:
                    return False
                self._changed.wait(left)
            if self._is_out():
                if self._failed_at > heard:
                    return False
                self._leader = turn
            return True

    def pause(self, seconds: float) -> bool:
        """Wait before the next attempt, less where somebody new waits for it; True: the guard closes instead."""
        began = stopwatch()
        with self._changed:
            self._is_prompted = False
            while not self._is_closed:
                left = began + (min(PROMPTED, seconds) if self._is_prompted else seconds) - stopwatch()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def close(self) -> None:
        """Make no attempt again."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _is_out(self) -> bool:
        return self._trouble is not None


class Turn:
    """One checkout's part in a series."""

    __slots__ = ("_series", "_until", "is_taken")

    def __init__(self, series: Series, until: float) -> None:
        self._series = series
        self._until = until
        self.is_taken = False
        """True once it is counted among the checkouts in the air."""

    def may_retry(self, trouble: ServiceFault) -> bool:
        """Wait, after an attempt without an answer, until it is known whether to make another."""
        return self._series.may_retry(self, trouble, self._until)

    def pause(self, seconds: float) -> bool:
        """Wait before the next attempt; True: the guard closes instead."""
        return self._series.pause(seconds)


class AllSeries:
    """The series of one guard, by what they want."""

    def __init__(self) -> None:
        self._series: dict[Requirement, Series] = {}
        self._is_closed = False

    def close(self) -> None:
        """Make no attempt again."""
        self._is_closed = True
        for series in list(self._series.values()):
            series.close()

    def of(self, requirement: Requirement) -> Series:
        """The series of this requirement; the same one for all who want it at once."""
        if len(self._series) > MOST_KEPT:  # values may be computed: forget how they went
            self._series.clear()
        series = self._series.setdefault(requirement, Series())
        if self._is_closed:  # a flight that set off before, and was held up, may come only now
            series.close()
        return series


def _is_unknown(failure: Exception | None) -> bool:
    return isinstance(failure, ServiceFault) and failure.kind is FaultKind.UNKNOWN
