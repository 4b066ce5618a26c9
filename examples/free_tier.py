"""Degrade instead of failing: a free tier for those whose licence does not cover the rest.

Set up as for quickstart.py, then run:

    python examples/free_tier.py

Stop the emulator and run it again: what is not covered, and what cannot be asked, both degrade.
"""

from meterguard import MeterGuard

# A short time-out, since somebody waits for the answer and there is something to show instead.
guard = MeterGuard(timeout=2)


def preview(document: str) -> str:
    return f"{document}, first page only"


# fallback= is called with the arguments of the call.
@guard.requires_entitlement("Export", fallback=preview)
def export(document: str) -> str:
    return f"{document}, all pages"


@guard.requires_entitlement("Printing", fallback=preview)
def print_out(document: str) -> str:
    return f"{document}, on paper"


# default= is what is returned instead; None counts.
@guard.requires_entitlement("Suggestions", default=())
def suggestions(document: str) -> tuple[str, ...]:
    return (f"shorten {document}",)


if __name__ == "__main__":
    print(export("report"))
    print(print_out("report"))
    print("suggestions:", *suggestions("report") or ["none"])
    # decide says why, for a log line or a page that sells the upgrade. The text is for the operator.
    for name in ("Export", "Printing"):
        decision = guard.decide(name)
        print(f"{name}: {'yes' if decision else 'no'} ({decision.reason.value})")
