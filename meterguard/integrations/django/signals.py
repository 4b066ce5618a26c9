"""Events of licences, as Django's signals.

The sender is the guard; ``event`` is one of :mod:`meterguard.events`. They are sent in the thread where it happens,
which may be one of meterguard's own, so receivers are plain functions. One that fails is logged and breaks nothing.
"""

from __future__ import annotations

from weakref import WeakSet

from django.dispatch import Signal

from ...events import EntitlementRefused, Event, LeaseCheckedIn, LeaseCheckedOut, LeaseRenewed
from ...guard import MeterGuard

entitlement_denied = Signal()
"""A gate was refused; ``event`` is the :class:`~meterguard.events.EntitlementRefused`."""
lease_checked_out = Signal()
"""A lease was checked out; ``event`` says which."""
lease_renewed = Signal()
"""A lease was renewed."""
lease_checked_in = Signal()
"""A lease was given back."""

_SIGNALS = {
    EntitlementRefused: entitlement_denied,
    LeaseCheckedOut: lease_checked_out,
    LeaseRenewed: lease_renewed,
    LeaseCheckedIn: lease_checked_in,
}
_forwarded: WeakSet[MeterGuard] = WeakSet()


def forward(guard: MeterGuard) -> None:
    """Send the events of this guard as signals, once."""
    if guard in _forwarded:
        return
    _forwarded.add(guard)

    def send(event: Event) -> None:
        signal = _SIGNALS.get(type(event))
        if signal is not None:
            signal.send_robust(sender=guard, event=event)

    guard.subscribe(send)
