"""Attributes that frameworks look for at each call: a guarded function has the values that mean the same as none."""

from __future__ import annotations

import pytest

import meterguard
from meterguard.gating.proxies import MARKS


@pytest.fixture
def guarded():
    def fresh(request):
        return request

    return meterguard.requires_entitlement("Export")(fresh)


@pytest.mark.parametrize("name", MARKS)
def test_a_mark_of_the_function_is_that_of_the_guarded_one(guarded, name):
    assert not getattr(guarded, name)
    bare = guarded.__wrapped__
    assert not hasattr(bare, name)
    setattr(bare, name, "below")
    assert getattr(guarded, name) == "below"
    setattr(guarded, name, "above")
    assert getattr(bare, name) == "above"
    delattr(guarded, name)
    assert not hasattr(bare, name)
    assert not getattr(guarded, name)
    with pytest.raises(AttributeError):
        delattr(guarded, name)


def test_marks_are_not_copied_around(guarded):
    assert not guarded.__dict__.keys() & MARKS.keys()


def test_what_a_function_lacks_a_guarded_one_lacks(guarded):
    assert not hasattr(guarded, "view_class")
    with pytest.raises(AttributeError, match="nothing"):
        guarded.nothing  # noqa: B018
