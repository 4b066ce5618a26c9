"""Protections put and removed in any order, around imports and reloads.

A call is refused exactly while one that refuses stands before it; those that let it through change nothing.
"""

from __future__ import annotations

import functools
import importlib
import sys

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterguard import EntitlementDenied, MeterGuard, protect
from meterguard.emulator import Emulator
from meterguard.gating import protection

NAME = "protected_by_chance"
SOURCE = """
def function(): return "function"

class Parent:
    def method(self): return "method"
    @classmethod
    def made(cls): return cls.__name__
    @staticmethod
    def static(): return "static"

class Child(Parent): ...
"""
# Each call, what it returns, and the targets whose protections stand before it.
CALLS = {
    "function": (lambda m: m.function(), "function", {"function"}),
    "Parent.method": (lambda m: m.Parent().method(), "method", {"Parent.method"}),
    "Child.method": (lambda m: m.Child().method(), "method", {"Child.method", "Parent.method"}),
    "Parent.made": (lambda m: m.Parent.made(), "Parent", {"Parent.made"}),
    "Child.made": (lambda m: m.Child().made(), "Child", {"Child.made", "Parent.made"}),
    "Parent.static": (lambda m: m.Parent().static(), "static", {"Parent.static"}),
    "Child.static": (lambda m: m.Child.static(), "static", {"Child.static", "Parent.static"}),
}
TARGETS = ["Child.method", "Parent.method", *CALLS]  # these two, more often
steps = st.lists(
    st.one_of(
        st.tuples(st.just("protect"), st.tuples(st.sampled_from(TARGETS), st.sampled_from(["Export", "Nope"]))),
        st.tuples(st.just("remove"), st.integers(0, 9)),
        st.tuples(st.just("wrap"), st.just("function")),
        st.tuples(st.sampled_from(["import", "reload", "forget"]), st.none()),
    ),
    min_size=4,
    max_size=25,
)


@pytest.fixture(scope="module")
def guard():
    with Emulator().in_process() as lm:
        licence = lm.add_license("ACME-1", [("Export", None, "None")])
        client = boto3.Session("testing", "testing", region_name="us-east-1").client("license-manager")
        with MeterGuard("ACME-1", licence.key_fingerprint, client=client, denial_ttl=600) as guard:
            yield guard


@pytest.fixture(scope="module")
def module_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modules")
    (folder / f"{NAME}.py").write_text(SOURCE)
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


def is_denied(call, module, returned):
    try:
        assert call(module) == returned
    except EntitlementDenied:
        return True
    return False


def check(module, made):
    in_force = {target for (target, name), _ in made if name == "Nope"}
    for name, (call, returned, targets) in CALLS.items():
        assert is_denied(call, module, returned) is bool(targets & in_force), name


def wrapped(fn):
    return functools.wraps(fn)(lambda: fn())


@settings(max_examples=300)
@given(steps)
def test_a_call_is_guarded_while_a_protection_of_it_is_in_force(guard, module_file, sequence):
    sys.modules.pop(NAME, None)
    made, modules, forgotten, are_wrapped = [], [], [], False
    try:
        for step, argument in [*sequence, *([("remove", 0)] * len(sequence)), ("import", None)]:
            module = sys.modules.get(NAME)
            match step:
                case "protect":
                    target, name = argument
                    made.append((argument, protect(f"{NAME}:{target}", name, guard=guard)))
                case "remove" if made:
                    made.pop(argument % len(made))[1].remove()
                case "import":
                    modules.append(importlib.import_module(NAME))
                case "reload" if module is not None:
                    importlib.reload(module)
                case "forget":  # no name leads to it any more, so that it gets no new guards
                    sys.modules.pop(NAME, None)
                    forgotten += modules
                    modules.clear()
                case "wrap" if module is not None:
                    are_wrapped = True
                    module.function = wrapped(module.function)
            for one in modules:
                check(one, made)
            assert all(one.is_waiting is not one.is_in_place for _, one in made)
        for one in (*modules, *forgotten):
            assert is_bare(one, are_wrapped)
        assert protection.in_force() == []
    finally:
        for one in protection.in_force():
            one.remove()


def is_bare(module, are_wrapped):
    kinds = {"method": "function", "made": "classmethod", "static": "staticmethod"}
    return (
        {name: type(vars(module.Parent)[name]).__name__ for name in kinds} == kinds
        and not kinds.keys() & vars(module.Child).keys()
        and (are_wrapped or type(module.function).__name__ == "function")
    )
