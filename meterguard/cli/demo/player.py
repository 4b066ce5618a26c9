"""Scenes played, as a stream of records."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence

from .records import Claim, Curtain, Finale, Opening, Outcome, Record, Step
from .scenes import SCENES, Scene
from .stage import LONG, PAGES, SEATS, Stage


def play(scenes: Sequence[Scene] = SCENES) -> Iterator[Record]:
    """Yield each record as it happens, the `Finale` last. After a scene that breaks off no other is played."""
    began = time.monotonic()
    steps: list[Step] = []
    with Stage() as stage:
        terms = f"{SEATS} Seats, {PAGES} Pages and the feature Export, in leases of {LONG // 3600} hour"
        yield Opening(stage.lm.url, terms, len(scenes))
        for number, scene in enumerate(scenes, 1):
            yield Curtain(number, scene.title)
            step = yield from _played(number, scene, stage)
            steps.append(step)
            yield step
            if any(claim.text == BROKEN_OFF for claim in step.outcome.claims):
                break
    yield Finale(tuple(steps), len(scenes), time.monotonic() - began)


BROKEN_OFF = "the scene was played to its end"


def _played(number: int, scene: Scene, stage: Stage) -> Generator[Record, None, Step]:
    began = time.monotonic()
    stage.mark()
    try:
        outcome = yield from scene.play(stage)
    except Exception as error:  # noqa: BLE001 - whatever breaks a scene off has broken a promise
        broken_off = Claim(BROKEN_OFF, f"{type(error).__name__}: {error}", "yes")
        outcome = Outcome("This was not meant to happen.", (broken_off,))
    return Step(number, scene.title, outcome, stage.requests(), time.monotonic() - began)
