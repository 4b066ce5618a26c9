"""Moments that several processes tell each other: on the clocks of one machine, between machines on the store's."""

from __future__ import annotations

from dataclasses import dataclass

from ...ports import Moment
from ..terms import elapsed


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment that other processes find on their clocks: those of its machine on both, others by the store's."""

    machine: str
    wall: float
    mono: float
    store: float


@dataclass(frozen=True, slots=True)
class Here:
    """The clocks of this process, and what the store said of its own at that moment."""

    machine: str
    at: Moment
    store: float
    epoch: str
    has_survivors: bool = True
    """False where all processes of an earlier epoch have ended with it, as on a host that was started anew."""

    def stamp(self, moment: Moment | None = None) -> Stamp:
        """Return the stamp of a moment on the clocks of this process; of now where there is none."""
        read = moment or self.at
        return Stamp(self.machine, read.wall, read.mono, self.store - (self.at.mono - read.mono))

    def moment(self, stamp: Stamp) -> Moment:
        """Return a stamp's moment on the clocks of this process.

        Between machines the store's clock stands in for the monotonic one: where it and the wall clocks disagree, a
        lease is in doubt, and the service is asked.
        """
        if stamp.machine == self.machine:
            return Moment(stamp.wall, stamp.mono)
        return Moment(stamp.wall, self.at.mono - (self.store - stamp.store))

    def age(self, stamp: Stamp) -> float:
        """Return the seconds since a stamp, by the clock that ran further."""
        return elapsed(self.moment(stamp), self.at)[1]
