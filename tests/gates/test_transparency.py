"""Law 8: a guarded callable is, to whoever looks, the callable that it guards."""

from __future__ import annotations

import abc
import asyncio
import contextvars
import copy
import functools
import gc
import inspect
import multiprocessing
import os
import pickle
import sys
import traceback
import types
import typing
import weakref
from concurrent.futures import ProcessPoolExecutor

import pytest

from meterguard import consumes_entitlement, meters_usage, requires_entitlement
from tests.gates import spawned

gate = requires_entitlement("Seats", 1, "Count")


def plain(a: int, /, b: "list[str]", *, c: float = 1.5) -> tuple[int, ...]:  # noqa: UP037 - a hint to resolve
    """Say something."""
    return a, len(b), int(c)


async def coroutine(a: int) -> str:
    """Say something."""
    return str(a)


def generator(a: int) -> typing.Iterator[int]:
    """Say something."""
    yield a


async def async_generator(a: int) -> typing.AsyncIterator[int]:
    """Say something."""
    yield a


class Owner:
    def method(self, a: int) -> int:
        """Say something."""
        return a

    async def coroutine_method(self, a: int) -> int:
        """Say something."""
        return a


KINDS = [plain, coroutine, generator, async_generator, Owner.method, Owner.coroutine_method]
GATES = {
    "shared": gate,
    "hold=call": requires_entitlement("Seats", 1, hold="call"),
    "computed": requires_entitlement("Seats", lambda *_, **__: 1),
    "fallback": requires_entitlement("Seats", 1, fallback=lambda *_, **__: None),
    "pass_lease": lambda fn: requires_entitlement("Seats", 1, pass_lease=[*inspect.signature(fn).parameters][-1])(fn),
    "twice": lambda fn: gate(gate(fn)),
    "draw": consumes_entitlement("Pages", 1),
    "draw of a computed value": consumes_entitlement("Pages", lambda *_, **__: 1, charge_on_error=True),
    "draw with a fallback": consumes_entitlement("Pages", 1, fallback=lambda *_, **__: None),
    "pass_charge": lambda fn: consumes_entitlement("Pages", 1, pass_charge=[*inspect.signature(fn).parameters][-1])(fn),
    "meter": meters_usage("Requests"),
    "all three": lambda fn: gate(consumes_entitlement("Pages", 1)(meters_usage("Requests")(fn))),
}


@pytest.fixture(params=KINDS, ids=lambda fn: fn.__name__)
def fn(request):
    return request.param


@pytest.fixture(params=GATES.values(), ids=GATES)
def guarded(request, fn):
    return request.param(fn)


# -- what it looks like --------------------------------------------------------------------------

NAMES = [
    *("__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "__defaults__", "__kwdefaults__"),
    *("__globals__", "__closure__", "__dict__", "__class__"),  # and __code__, but for what it runs: test_sent_elsewhere
]
QUESTIONS = [
    *(inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction, inspect.isfunction),
    *(inspect.isroutine, inspect.isclass, inspect.getdoc, inspect.getsource, inspect.getmodule, inspect.getsourcelines),
    *(inspect.signature, inspect.getfullargspec, typing.get_type_hints, callable, hash),
]


def test_its_attributes_are_those_of_the_function(fn, guarded):
    assert {name: getattr(guarded, name) for name in NAMES} == {name: getattr(fn, name) for name in NAMES}


def test_inspect_sees_the_function(fn, guarded):
    assert {ask: ask(guarded) for ask in QUESTIONS} == {ask: ask(fn) for ask in QUESTIONS}


@pytest.mark.filterwarnings("ignore:'asyncio.iscoroutinefunction' is deprecated:DeprecationWarning")
def test_asyncio_sees_the_function(fn, guarded):
    assert asyncio.iscoroutinefunction(guarded) == asyncio.iscoroutinefunction(fn)


def test_the_function_is_found_under_it(fn, guarded):
    assert inspect.unwrap(guarded) is fn
    assert isinstance(guarded, types.FunctionType)


def test_attributes_that_are_set_on_it_are_set_on_the_function():
    guarded = gate(lambda: None)
    guarded.short_description = "x"
    assert guarded.__wrapped__.short_description == "x"


def test_an_abstract_method_stays_abstract():
    class Base(abc.ABC):
        @gate
        @abc.abstractmethod
        def work(self): ...

    with pytest.raises(TypeError, match="abstract"):
        Base()


@pytest.mark.parametrize("gate", [gate, GATES["draw"], GATES["meter"]], ids=["gate", "draw", "meter"])
@pytest.mark.parametrize("order", [classmethod, staticmethod])
def test_class_and_static_methods_stay_what_they_are(gate, order):
    def work(*_): ...

    above, below = gate(order(work)), order(gate(work))
    assert type(above) is type(below) is order
    owner = type("Owner", (), {"above": above, "below": below, "plain": order(work)})
    for name in "above", "below":
        assert str(inspect.signature(getattr(owner, name))) == str(inspect.signature(owner.plain))
        assert inspect.ismethod(getattr(owner, name)) == inspect.ismethod(owner.plain)
        assert inspect.getattr_static(owner, name).__func__.__wrapped__ is work


@pytest.mark.parametrize("gate", [gate, GATES["draw"], GATES["meter"]], ids=["gate", "draw", "meter"])
def test_a_method_binds_as_a_method(gate):
    class Owner:
        @gate
        def work(self, a): ...

    owner = Owner()
    assert inspect.ismethod(owner.work)
    assert owner.work.__self__ is owner
    assert owner.work.__func__ is Owner.work
    assert owner.work == owner.work
    assert hash(owner.work) == hash(owner.work)
    assert str(inspect.signature(owner.work)) == "(a)"
    assert str(inspect.signature(Owner.work)) == "(self, a)"


def test_a_coroutine_method_is_seen_as_one():
    class Owner:
        @gate
        async def work(self): ...

    assert inspect.iscoroutinefunction(Owner().work)
    assert inspect.iscoroutinefunction(Owner.work)


def test_a_decorator_on_top_sees_the_function():
    @functools.wraps(gate(plain))
    def wrapper(*args, **kwargs): ...

    assert (wrapper.__name__, wrapper.__doc__) == ("plain", "Say something.")
    assert inspect.signature(wrapper) == inspect.signature(plain)
    assert inspect.unwrap(wrapper) is plain


def test_a_plain_function_that_is_marked_as_a_coroutine_function_is_guarded_as_one(guard):
    """Frameworks mark what returns awaitables; its checkout must not block the loop."""
    threads = []

    async def work():
        return "ran"

    marked = mark(lambda: work())
    gate = guard.requires_entitlement("Seats", lambda: threads.append(asyncio.get_running_loop()) or 1)
    guarded = gate(marked)
    assert is_marked(guarded)
    coroutine = guarded()
    assert inspect.iscoroutine(coroutine)
    assert threads == [], "it is asked for inside, not at the call"
    assert asyncio.run(coroutine) == "ran"


def test_an_object_that_is_marked_as_a_coroutine_function_is_guarded_as_one(guard):
    class View:
        def __call__(self):
            return coroutine(1)

    guarded = guard.requires_entitlement("Seats", 1)(mark(View()))
    assert is_marked(guarded)
    assert asyncio.run(guarded()) == "1"


def mark(fn):
    if hasattr(inspect, "markcoroutinefunction"):
        if isinstance(fn, types.FunctionType):
            return inspect.markcoroutinefunction(fn)
        fn._is_coroutine_marker = inspect.markcoroutinefunction(lambda: None)._is_coroutine_marker
        return fn
    fn._is_coroutine = asyncio.coroutines._is_coroutine  # as asgiref does it on Python 3.11
    return fn


def is_marked(fn):
    return inspect.iscoroutinefunction(fn) if sys.version_info >= (3, 12) else asyncio.iscoroutinefunction(fn)


# -- what can be done with it --------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a_copy_is_itself_as_with_any_function(fn, guarded, copied):
    assert copied(guarded) is guarded


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a_copy_of_a_guarded_object_is_another_and_guarded_as_well(guard, copied, used):
    class Work:
        def __init__(self):
            self.notes = []

        def __call__(self):
            return used(), self.notes

    guarded = guard.requires_entitlement("Seats", 1)(Work())
    twin = copied(guarded)
    assert type(twin) is type(guarded)
    assert twin.__wrapped__ is not guarded.__wrapped__
    assert (twin.notes is guarded.notes) == (copied is copy.copy)
    assert twin() == (1, [])


def test_an_object_that_holds_guarded_functions_can_be_copied():
    holder = {"work": gate(plain), "bound": spawned.Work(1).double}
    twin = copy.deepcopy(holder)
    assert twin["work"] is holder["work"]
    assert twin["bound"].__func__ is holder["bound"].__func__


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_pickled_by_name(protocol):
    for one in spawned.double, spawned.Work.double, spawned.Work.of_nobody, spawned.drawn, spawned.counted:
        assert pickle.loads(pickle.dumps(one, protocol)) is one


def test_one_that_is_not_found_by_its_name_is_not_pickled():
    for lost in gate(lambda: None), gate(plain):
        with pytest.raises((pickle.PicklingError, AttributeError)):
            pickle.dumps(lost)


def test_one_that_has_no_name_says_so():
    with pytest.raises(TypeError, match=r"^cannot pickle a guarded partial: it has no name to be found by$"):
        pickle.dumps(gate(functools.partial(plain, 1)))


def test_a_pool_of_spawned_processes_runs_it(lm, licence, monkeypatch):
    """Pickled by name, imported there, and guarded there, by a guard of the environment."""
    settings = {
        "METERGUARD_PRODUCT_SKU": licence.product_sku,
        "METERGUARD_KEY_FINGERPRINT": licence.key_fingerprint,
        "AWS_ENDPOINT_URL_LICENSE_MANAGER": lm.url,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    work = spawned.Work(4)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = [
            pool.submit(spawned.double, 1),
            pool.submit(work.double),
            pool.submit(spawned.Work.of_class, 2),
            pool.submit(spawned.Work.of_nobody, 3),
        ]
        outcomes = [job.result() for job in jobs]
    assert [number for number, _ in outcomes] == [2, 8, 4, 6]
    (pid,) = {pid for _, pid in outcomes}
    assert pid != os.getpid()
    assert [one.operation for one in lm.requests] == ["CheckoutLicense", "CheckInLicense"]


def test_it_can_be_referred_to_weakly_and_dies_with_its_last_reference():
    guarded = gate(lambda: None)
    reference = weakref.ref(guarded)
    assert reference() is guarded
    del guarded
    gc.collect()
    assert reference() is None


# -- what it does --------------------------------------------------------------------------------


@pytest.fixture
def warm(guard):
    """A gate whose window is open."""
    made = guard.requires_entitlement("Seats", 1)
    made(lambda: None)()
    assert not made.outside()
    return made


@pytest.mark.skipif("wrapt._wrappers" not in sys.modules, reason="wrapt without its C extension calls from Python")
def test_inside_the_window_a_call_is_the_functions_own(warm):
    """Not one frame of ours, and a coroutine is the very one that the function makes."""

    @warm
    def frames():
        return [frame.name for frame in traceback.extract_stack()[-2:]]

    @warm
    async def work():
        return "ran"

    assert frames() == ["test_inside_the_window_a_call_is_the_functions_own", "frames"]
    coroutine = work()
    assert coroutine.cr_code is work.__wrapped__.__code__
    assert asyncio.run(coroutine) == "ran"


KINDS_OF_GUARD = {
    "cold": lambda guard: guard.requires_entitlement("Export"),
    "draw": lambda guard: guard.consumes_entitlement("Pages", 1),
    "meter": lambda guard: guard.meters_usage("Requests"),
}


@pytest.fixture(params=["warm", *KINDS_OF_GUARD])
def any_gate(request, guard):
    """A gate whose window is open, or one that is not; a draw; a meter."""
    make = KINDS_OF_GUARD.get(request.param)
    return request.getfixturevalue("warm") if make is None else make(guard)


def test_arguments_and_result_pass_as_they_are(any_gate):
    sent, kept = [], object()

    def work(*args, **kwargs):
        sent.append((args, kwargs))
        return kept

    guarded = any_gate(work)
    argument = object()
    assert guarded(argument, self=1, instance=2, wrapped=3, args=4, kwargs=5) is kept
    assert sent == [((argument,), {"self": 1, "instance": 2, "wrapped": 3, "args": 4, "kwargs": 5})]
    assert sent[0][0][0] is argument


def test_an_exception_passes_unchanged(any_gate):
    error = ValueError("mine")

    def work():
        raise error

    guarded = any_gate(work)
    with pytest.raises(ValueError, match=r"^mine$") as caught:
        guarded()
    assert caught.value is error
    assert caught.traceback[-1].name == "work"
    assert (error.__cause__, error.__context__, error.__suppress_context__) == (None, None, False)
    assert not hasattr(error, "__notes__")


def test_wrong_arguments_fail_as_they_would_unguarded(guard, used):
    guarded = guard.requires_entitlement("Seats", 1, hold="call")(plain)
    with pytest.raises(TypeError, match=r"plain\(\) missing 2 required positional arguments"):
        guarded()
    assert used() == 0


def test_a_context_variable_set_in_it_is_seen_outside(guard):
    variable = contextvars.ContextVar("variable")

    @guard.requires_entitlement("Seats", 1)
    async def work():
        variable.set("inside")

    async def main():
        await work()
        return variable.get()

    assert asyncio.run(main()) == "inside"


def test_equal_declarations_are_one_gate():
    """Ten thousand functions behind one entitlement cost ten thousand wrappers, not ten thousand gates."""
    assert requires_entitlement("Seats", 1) is requires_entitlement("Seats", 1)
    assert requires_entitlement("Seats", 1) is not requires_entitlement("Seats", 2)
    assert requires_entitlement("Seats", 1, default=1) is not requires_entitlement("Seats", 1, default=1)
