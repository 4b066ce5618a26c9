"""Fork: what a parent has reserved is the parent's; a child draws for itself."""

from __future__ import annotations

import os

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def in_child(work):
    """Run ``work`` in a child, which exits with 0 where it returned."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("is_shared", [False, True], ids=["memory", "sqlite"])
def test_a_child_settles_nothing_of_its_parent(lm, licence, make_guard, tmp_path, is_shared):
    ledger = f"sqlite:///{tmp_path}/ledger.db" if is_shared else "memory://"
    guard = make_guard(lm, licence, ledger=ledger)
    draw = guard.consumes_entitlement("Pages", 5, block=50)
    admission = draw.enter()

    def work():
        admission.release()  # the parent's, which has to be nothing here
        for _ in range(3):
            with draw:
                pass
        guard.close()

    assert in_child(work) == 0
    found = guard.ledger.summary()["Pages"]
    assert found.reserved == 5
    admission.release()
    found = guard.ledger.summary()["Pages"]
    assert (found.charged, found.reserved, found.lost) == (5 + 15 * is_shared, 0, 0)
    assert lm.usage(licence)["Pages"] == found.drawn + (0 if is_shared else 50)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_that_dies_loses_its_own_slice_only(lm, licence, make_guard, tmp_path):
    guard = make_guard(lm, licence, ledger=f"sqlite:///{tmp_path}/ledger.db")
    with guard.consumes_entitlement("Pages", 1, block=100):
        pass
    pid = os.fork()
    if pid == 0:
        with guard.consumes_entitlement("Pages", 1, block=100):
            os._exit(0)
    os.waitpid(pid, 0)
    for part in guard.till.draws.slices():
        guard.till.teller._looked_at.clear()  # else it looks once a second
        guard.till.teller.deal(part, lambda account, _: account)
    found = guard.ledger.summary()["Pages"]
    assert (found.charged, found.reserved, found.lost, found.drawn) == (1, 0, 10, 100)
