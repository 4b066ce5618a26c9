"""Guarded functions that tools send elsewhere by value, or rebuild from their code: never without the guard."""

from __future__ import annotations

import copy
import dis
import functools
import inspect
import io
import marshal
import pickle
import subprocess
import sys
import types

import cloudpickle
import dill
import joblib
import pytest

from meterguard import ConfigurationError, requires_entitlement
from tests.gates import spawned
from tests.house.source import ROOT

gate = requires_entitlement("Seats", 1, "Count")
REFUSED = r"would be sent by value, without its guard: put it into a module that the other process can import"
REBUILT = r"was rebuilt from the code of a guarded function, and the guard is not in it"

# What stands in a script, which another process cannot import.
SCRIPT = """
import functools, sys
from meterguard import requires_entitlement

gate = requires_entitlement("Seats", 1, "Count")

@gate
def function(*args, **kwargs):
    '''Say something.'''
    print("premium code ran")

@gate
async def coroutine_function():
    print("premium code ran")

@gate
def generator():
    print("premium code ran")
    yield

@gate
async def async_generator():
    print("premium code ran")
    yield

def outer(word):
    @gate
    def closure():
        print(word)
    return closure

def caller():
    return function()

class Work:
    @gate
    def method(self):
        print("premium code ran")

    @classmethod
    @gate
    def of_class(cls):
        print("premium code ran")

    @staticmethod
    @gate
    def of_nobody():
        print("premium code ran")

CASES = {
    "function": function,
    "coroutine function": coroutine_function,
    "generator": generator,
    "async generator": async_generator,
    "closure": outer("premium code ran"),
    "twice": gate(function),
    "caller": caller,
    "method": Work().method,
    "function of a class": Work.method,
    "class method": Work.of_class,
    "static method": Work.of_nobody,
    "object": Work(),
    "class": Work,
    "partial": functools.partial(function, 1),
    "lambda": gate(lambda: print("premium code ran")),
}
"""
CASES = (
    *("function", "coroutine function", "generator", "async generator", "closure", "twice", "caller", "method"),
    *("function of a class", "class method", "static method", "object", "class", "partial", "lambda"),
)
SEND = """
for name, case in CASES.items():
    try:
        sent = {tool}.dumps(case)
    except Exception as error:
        print(name, type(error).__name__, str(error).replace("\\n", " "), sep="|")
    else:
        print(name, "sent", sent.hex(), sep="|")
"""
RECEIVE = """
import asyncio, sys, {tool}
try:
    case = {tool}.loads(bytes.fromhex(sys.stdin.read()))
    case = case.method if isinstance(case, type) is False and hasattr(case, "method") else case
    made = case() if not isinstance(case, type) else case().method()
    asyncio.run(made) if asyncio.iscoroutine(made) else list(made or ())
except Exception as error:
    print(type(error).__name__, error)
"""


def run(program, given=""):
    done = subprocess.run([sys.executable, "-c", program], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["cloudpickle", "dill"])
def sent(request):
    """What each case of a script came to at the sender, and the tool."""
    lines = run(SCRIPT + f"import {request.param}\n" + SEND.format(tool=request.param)).splitlines()
    return request.param, {name: (kind, text) for name, kind, text in (line.split("|", 2) for line in lines)}


@pytest.mark.parametrize("case", CASES)
def test_no_premium_code_runs_elsewhere(sent, case):
    tool, outcomes = sent
    kind, text = outcomes[case]
    if kind == "sent":
        received = run(RECEIVE.format(tool=tool), text)
        assert "premium code ran" not in received
        assert "Error" in received
    else:
        assert kind in ("PicklingError", "TypeError", "AttributeError")


def test_cloudpickle_is_refused_with_the_reason(sent):
    tool, outcomes = sent
    if tool == "cloudpickle":
        assert {kind for kind, _ in outcomes.values()} == {"PicklingError"}
        assert outcomes["function"][1] == (
            "the guarded function function would be sent by value, without its guard: put it into a module that the "
            "other process can import, where it is found by its name"
        )


def test_joblib_names_the_reason():
    @gate
    def work(number):
        return number

    with pytest.raises(pickle.PicklingError) as caught:
        joblib.Parallel(n_jobs=2)(joblib.delayed(work)(number) for number in range(2))
    assert "would be sent by value, without its guard" in str(caught.value.__cause__)


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps, dill.dumps], ids=["pickle", "cloudpickle", "dill"])
def test_one_of_a_module_is_sent_by_name(dumps):
    for one in spawned.double, spawned.Work.double, spawned.Work.of_nobody:
        assert pickle.loads(dumps(one)) is one
    assert len(dumps(spawned.double)) < 100


def test_a_module_that_is_sent_by_value_is_refused():
    cloudpickle.register_pickle_by_value(spawned)
    try:
        with pytest.raises(pickle.PicklingError, match=REFUSED):
            cloudpickle.dumps(spawned.double)
    finally:
        cloudpickle.unregister_pickle_by_value(spawned)


# -- rebuilt in this process -------------------------------------------------------------------------


def plain(a, b=2, *args, c, d=4, **kwargs):
    """Say something."""
    return "premium code ran", lambda: (a, b)


async def coroutine(a):
    return "premium code ran"


def generator(a):
    yield "premium code ran"


async def async_generator(a):
    yield "premium code ran"


KINDS = [plain, coroutine, generator, async_generator]


def rebuilt(fn):
    made = types.FunctionType(fn.__code__, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__)
    made.__kwdefaults__ = fn.__kwdefaults__
    return functools.update_wrapper(made, fn)


@pytest.mark.parametrize("fn", KINDS, ids=lambda fn: fn.__name__)
def test_a_function_made_of_its_code_refuses_to_run(fn):
    guarded = gate(fn)
    with pytest.raises(ConfigurationError, match=REBUILT):
        rebuilt(guarded)(1, **({"c": 3} if fn is plain else {}))


def test_a_closure_made_of_its_code_refuses_to_run():
    secret = "premium code ran"

    @gate
    def closure():
        return secret

    with pytest.raises(ConfigurationError, match=REBUILT):
        rebuilt(closure)()


def test_code_that_is_run_refuses():
    with pytest.raises(ConfigurationError, match=REBUILT):
        eval(gate(lambda: "premium code ran").__code__)


@pytest.mark.parametrize("fn", KINDS, ids=lambda fn: fn.__name__)
def test_its_code_is_not_written_to_a_file(fn):
    with pytest.raises(ValueError, match="unmarshallable object"):
        marshal.dumps(gate(fn).__code__)
    with pytest.raises(pickle.PicklingError, match=REFUSED):
        cloudpickle.dumps(gate(fn).__code__)


@pytest.mark.parametrize("fn", KINDS, ids=lambda fn: fn.__name__)
def test_its_code_tells_what_it_told(fn):
    guarded = gate(fn)
    code, bare = guarded.__code__, fn.__code__
    for name in dir(bare):
        if name.startswith("co_") and name not in {
            *("co_code", "co_consts", "co_names", "co_stacksize", "co_linetable", "co_lnotab", "co_exceptiontable"),
            *("co_lines", "co_positions", "co_branches"),
        }:
            assert getattr(code, name) == getattr(bare, name), name
    assert guarded.__code__ is code
    assert inspect.getsource(guarded) == inspect.getsource(fn)
    assert inspect.signature(guarded, follow_wrapped=False) == inspect.signature(fn)
    for kind in inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction:
        assert kind(guarded) is kind(fn)
    assert "Refusal" in str(list(dis.get_instructions(guarded)))


def test_other_code_goes_to_the_function():
    def fn():
        return 1

    guarded = gate(fn)
    assert guarded.__code__.co_name == "fn"
    guarded.__code__ = (lambda: 2).__code__
    assert fn() == 2
    assert guarded.__code__.co_name == "<lambda>"


def test_a_copy_keeps_the_guard():
    guarded = gate(functools.partial(plain, 1))
    assert type(copy.copy(guarded)) is type(copy.deepcopy(guarded)) is type(guarded)


def test_what_looks_through_the_guard_finds_the_function():
    """By intent, as the page says: whoever does that asks for the function without its guard."""
    page = (ROOT / "docs" / "reference" / "gates.md").read_text("utf-8")
    assert "`function.__wrapped__` and {py:func}`inspect.unwrap` give the function without its guard" in page
    guarded = gate(plain)
    assert guarded.__wrapped__ is inspect.unwrap(guarded) is plain
    assert cloudpickle.loads(cloudpickle.dumps(guarded.__wrapped__)).__code__ == plain.__code__


def test_a_pickler_of_ones_own_gets_a_name():
    file = io.BytesIO()
    pickle.Pickler(file).dump(spawned.double)
    assert b"double" in file.getvalue()
