"""Gates as context managers: for a stretch of code that is no function of its own.

Set up as for quickstart.py, then run:

    python examples/context_managers.py
"""

from meterguard import EntitlementDenied, MeterGuard


def main() -> None:
    # A guard of its own, closed at the end of the block: what it holds is given back there, not only at exit.
    with MeterGuard() as guard:
        seat = guard.requires_entitlement("Seats", 1, "Count", hold="call")

        # hold="call": a seat is taken here, and back at the end of the block.
        with seat as lease:
            print("working in", *lease.entitlements)

        # A gate is reusable and re-entrant; each entry takes a seat of its own.
        with seat, seat, seat:
            try:
                with seat:
                    print("never reached: the licence has three seats")
            except EntitlementDenied:
                print("the fourth seat is denied")

        # Both or neither, in one checkout.
        with guard.requires_entitlement("Seats", 1, "Count") & guard.requires_entitlement("Export") as both:
            print("exporting under", " and ".join(map(str, both.entitlements)))


if __name__ == "__main__":
    main()
