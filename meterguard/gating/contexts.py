"""Admissions of ``with`` statements, by frame: a gate is one object, and is entered many times at once."""

from __future__ import annotations

import contextvars
from types import FrameType

from .admission import Entered

_entered: contextvars.ContextVar[tuple[Entered[object], ...]] = contextvars.ContextVar("meterguard_entered", default=())


class Contexts:
    """The admissions of one gate's ``with`` statements, by the frame that entered."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: dict[FrameType, list[Entered[object]]] = {}

    def enter(self, admission: Entered[object], frame: FrameType) -> None:
        """Note the admission that this frame entered."""
        self._open.setdefault(frame, []).append(admission)
        _entered.set((*[one for one in _entered.get() if not one.is_over], admission))

    def leave(self, frame: FrameType) -> Entered[object]:
        """Return the admission of this ``with`` statement: both of its halves run in one frame, wherever they run."""
        while not (admissions := self._open.pop(frame, [])):
            frame = self._entered_elsewhere()
        admission = admissions.pop()
        if admissions:
            self._open[frame] = admissions
        return admission

    def _entered_elsewhere(self) -> FrameType:
        """Find the admission of an ExitStack, whose halves run in two frames: the last in this task, else anywhere."""
        frames = {admission: frame for frame, admissions in list(self._open.items()) for admission in admissions}
        if not frames:
            raise RuntimeError("this gate is left more often than it was entered")
        mine = [admission for admission in _entered.get() if admission in frames]
        return frames[mine[-1]] if mine else next(reversed(frames.values()))


def entered_here() -> tuple[Entered[object], ...]:
    """Return the admissions that this thread or task has entered by ``with`` statements, oldest first."""
    return _entered.get()
