"""Guards that stand above a registration, and never run: found though the guard itself is lost."""

from __future__ import annotations

import functools
import gc
import sys

from meterguard import requires_entitlement
from meterguard.gating import registration
from meterguard.gating.registration import is_bypassed, is_guarded

gate = requires_entitlement("Seats", 1)


def test_a_guard_that_is_lost_is_found():
    registered = []

    def register(fn):
        registered.append(fn)
        return fn

    @gate
    @register
    def view(): ...

    del view
    gc.collect()
    assert is_bypassed(registered[0])
    assert is_guarded(registered[0])


def test_a_guard_that_is_run_is_no_finding():
    @gate
    def view(): ...

    @functools.wraps(view)
    def outer():
        view()

    del outer.__wrapped__
    for one in view, functools.partial(view), outer:
        assert not is_bypassed(one)
    assert is_guarded(view)


def test_a_function_is_left_as_it_was():
    def view(): ...

    gate(view)
    assert vars(view) == {}


def test_what_is_noted_of_a_function_goes_with_it():
    def view(): ...

    before = len(registration._marks)
    for _ in range(100):
        gate(view)
    assert len(registration._marks) == before + 1
    for _ in range(3 * registration._most):
        gate(lambda: None)
    gc.collect()
    assert len(registration._marks) <= registration._most
    assert is_bypassed(view)
    del view


def test_a_decorated_function_is_light():
    """B1 counts it all; this is what is ours."""

    def view(): ...

    marked = gate(view)
    assert sys.getsizeof(registration.GuardedReference(view)) <= 80
    assert sys.getsizeof(marked) <= 112
