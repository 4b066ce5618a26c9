"""Signals: an event of the guard, sent with the application, in the thread where it happens."""

from __future__ import annotations

from blinker import Namespace
from flask import Flask

from ...events import EntitlementRefused, Event, LeaseCheckedIn, LeaseCheckedOut, LeaseRenewed
from .application import EXTENSION

_signals = Namespace()
entitlement_denied = _signals.signal("entitlement-denied")
"""A gate was refused. The sender is the app; ``event`` is the :class:`~meterguard.events.EntitlementRefused`."""
lease_checked_out = _signals.signal("lease-checked-out")
"""A lease was checked out, in whichever thread that was; ``event`` says which."""
lease_renewed = _signals.signal("lease-renewed")
"""A lease was renewed."""
lease_checked_in = _signals.signal("lease-checked-in")
"""A lease was given back."""

_SIGNALS = {
    EntitlementRefused: entitlement_denied,
    LeaseCheckedOut: lease_checked_out,
    LeaseRenewed: lease_renewed,
    LeaseCheckedIn: lease_checked_in,
}


def forward(app: Flask) -> None:
    """Send the events of an application's guard as signals."""

    def send(event: Event) -> None:
        signal = _SIGNALS.get(type(event))
        if signal is not None:
            signal.send(app, event=event)

    app.extensions[EXTENSION].guard.subscribe(send)
