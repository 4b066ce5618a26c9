"""The simulated fleet as a study: requests and seats, for each arrangement and size."""

from __future__ import annotations

from collections.abc import Iterator

from ..plan import Found, Goal, Row, Scale, Study
from . import summary
from .world import A_FILE, A_HOST, EACH_CALL, FLEETS, NONE

SHOWN = (NONE, A_FILE, FLEETS[0], EACH_CALL)
SAYS = {"calls": "requests a minute", "seats peak": "  seats, at most"}


def measure(scale: Scale) -> Found:
    """Play all scenes with fleets of all sizes."""
    return judged(summary.found(SHOWN, scale.pick(summary.SIZES, (1, 10))))


def judged(found: summary.Found) -> Found:
    """Return the figures that are shown and judged."""
    figures = {
        f"{name} {size} {key}": one[key]
        for name in (arrangement.name for arrangement in SHOWN)
        for size, one in found[name].items()
        for key in (*SAYS, "outage calls")
    }
    of_fleet = found["redis"].values()
    figures["fleet seats"] = max(one["seats peak"] or 0.0 for one in of_fleet)
    figures["fleet calls"] = max(one["calls"] or 0.0 for one in of_fleet)
    hosts = {size: -(-int(size) // A_HOST) for size in found["sqlite"]}
    figures["spare seats"] = max((one["seats peak"] or 0.0) - hosts[size] for size, one in found["sqlite"].items())
    figures["in outage"] = (figures["redis 10 outage calls"] or 0.0) / (figures["none 1 outage calls"] or 1.0)
    return Found({key: value for key, value in figures.items() if value is not None})


def _rows() -> Iterator[Row]:
    yield Row("fleet seats", "a fleet store: seats, at most", "", (Goal("F3", "", "fleet seats", 1, is_count=True),))
    a_minute = Goal("F3", "a minute, one in 48", "fleet calls", 0.021, is_count=True)
    yield Row("fleet calls", "a fleet store: requests a minute", "", (a_minute,))
    yield Row(
        "spare seats",
        "a store a host: seats beyond one a host",
        "",
        (Goal("F3", "", "spare seats", 0, is_count=True),),
    )
    of_one = Goal("F3", "x those of one process", "in outage", 1.5)
    yield Row("in outage", "10 processes of a fleet store in an outage: requests", "x", (of_one,))
    for arrangement in SHOWN:
        for size in summary.SIZES:
            for key, says in SAYS.items():
                named = says if says.startswith(" ") else f"{arrangement.name}, {size:,}: {says}"
                yield Row(f"{arrangement.name} {size} {key}", named, "")


STUDY = Study(
    "fleet",
    "A fleet in simulation: requests and seats of 1 to 10,000 processes",
    tuple(_rows()),
    measure,
    processes=1,
    remarks=("Simulated with a seed, so the same on every machine: docs/explanation/fleets.md says what is modelled.",),
)
