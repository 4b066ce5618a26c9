"""Every way to write a guarded function or method; see `running_styles` for those that run on after the call.

A style gets a gate and a body, puts the body behind the gate, and returns a function without arguments that
calls it with ``1, b=2`` and runs it to its end. What that returns is what the body returned: for generators
the one item there was.
"""

from __future__ import annotations

import abc
import contextlib
import functools
import types

STYLES = {}


def style(make):
    STYLES[make.__name__] = make
    return make


@style
def function(gate, body):
    @gate
    def guarded(a, *, b):
        return body(a, b=b)

    return lambda: guarded(1, b=2)


@style
def a_lambda(gate, body):
    guarded = gate(lambda a, b: body(a, b=b))
    return lambda: guarded(1, b=2)


@style
def method(gate, body):
    class Owner:
        @gate
        def guarded(self, a, b):
            assert type(self) is Owner
            return body(a, b=b)

    return lambda: Owner().guarded(1, b=2)


@style
def method_of_an_object_with_slots(gate, body):
    class Owner:
        __slots__ = ("seen",)

        @gate
        def guarded(self, a, b):
            self.seen = a
            return body(a, b=b)

    return lambda: Owner().guarded(1, b=2)


@style
def method_called_through_the_class(gate, body):
    class Owner:
        @gate
        def guarded(self, a, b):
            assert type(self) is Owner
            return body(a, b=b)

    return lambda: Owner.guarded(Owner(), 1, b=2)


@style
def inherited_method(gate, body):
    class Owner:
        @gate
        def guarded(self, a, b):
            assert type(self) is Heir
            return body(a, b=b)

    class Heir(Owner):
        pass

    return lambda: Heir().guarded(1, b=2)


@style
def method_called_by_its_override(gate, body):
    class Owner:
        @gate
        def guarded(self, a, b):
            return body(a, b=b)

    class Heir(Owner):
        def guarded(self, a, b):
            return super().guarded(a, b)

    return lambda: Heir().guarded(1, b=2)


@style
def override_of_an_abstract_method(gate, body):
    class Owner(abc.ABC):
        @abc.abstractmethod
        def guarded(self, a, b): ...

    class Heir(Owner):
        @gate
        def guarded(self, a, b):
            return body(a, b=b)

    return lambda: Heir().guarded(1, b=2)


@style
def gate_above_classmethod(gate, body):
    class Owner:
        @gate
        @classmethod
        def guarded(cls, a, b):
            assert cls is Heir
            return body(a, b=b)

    class Heir(Owner):
        pass

    return lambda: Heir.guarded(1, b=2)


@style
def gate_below_classmethod(gate, body):
    class Owner:
        @classmethod
        @gate
        def guarded(cls, a, b):
            assert cls is Heir
            return body(a, b=b)

    class Heir(Owner):
        pass

    return lambda: Heir().guarded(1, b=2)


@style
def gate_above_staticmethod(gate, body):
    class Owner:
        @gate
        @staticmethod
        def guarded(a, b):
            return body(a, b=b)

    return lambda: Owner.guarded(1, b=2)


@style
def gate_below_staticmethod(gate, body):
    class Owner:
        @staticmethod
        @gate
        def guarded(a, b):
            return body(a, b=b)

    return lambda: Owner().guarded(1, b=2)


@style
def method_of_a_metaclass(gate, body):
    class Meta(type):
        @gate
        def guarded(cls, a, b):
            assert cls is Owner
            return body(a, b=b)

    class Owner(metaclass=Meta):
        pass

    return lambda: Owner.guarded(1, b=2)


@style
def property_getter(gate, body):
    class Owner:
        @property
        @gate
        def guarded(self):
            return body(1, b=2)

    return lambda: Owner().guarded


@style
def cached_property(gate, body):
    class Owner:
        @functools.cached_property
        @gate
        def guarded(self):
            return body(1, b=2)

    return lambda: Owner().guarded


@style
def partialmethod(gate, body):
    class Owner:
        @gate
        def guarded(self, a, b):
            return body(a, b=b)

        half = functools.partialmethod(guarded, 1)

    return lambda: Owner().half(b=2)


@style
def constructor(gate, body):
    class Owner:
        @gate
        def __init__(self, a, b):
            self.result = body(a, b=b)

    return lambda: Owner(1, b=2).result


@style
def call_of_an_object(gate, body):
    class Owner:
        @gate
        def __call__(self, a, b):
            return body(a, b=b)

    return lambda: Owner()(1, b=2)


@style
def callable_object(gate, body):
    class Owner:
        def __call__(self, a, b):
            return body(a, b=b)

    guarded = gate(Owner())
    return lambda: guarded(1, b=2)


@style
def callable_object_in_a_class(gate, body):
    """It is not bound, as it would not be without the gate."""

    class Inner:
        def __call__(self, a, b):
            return body(a, b=b)

    class Owner:
        guarded = gate(Inner())

    return lambda: Owner().guarded(1, b=2)


@style
def bound_method(gate, body):
    class Owner:
        def method(self, a, b):
            return body(a, b=b)

    guarded = gate(Owner().method)
    return lambda: guarded(1, b=2)


@style
def method_set_on_an_instance(gate, body):
    owner = types.SimpleNamespace()
    owner.guarded = gate(lambda a, b: body(a, b=b))
    return lambda: owner.guarded(1, b=2)


@style
def partial(gate, body):
    guarded = gate(functools.partial(body, 1))
    return lambda: guarded(b=2)


@style
def partial_of_a_guarded_function(gate, body):
    guarded = functools.partial(gate(lambda a, b: body(a, b=b)), 1)
    return lambda: guarded(b=2)


@style
def above_another_decorator(gate, body):
    @gate
    @functools.lru_cache
    def guarded(a, b):
        return body(a, b=b)

    return lambda: guarded(1, b=2)


@style
def below_another_decorator(gate, body):
    def deco(fn):
        @functools.wraps(fn)
        def wrapper(*args, **kwargs):
            return fn(*args, **kwargs)

        return wrapper

    @deco
    @gate
    def guarded(a, b):
        return body(a, b=b)

    return lambda: guarded(1, b=2)


@style
def context_manager_function(gate, body):
    @contextlib.contextmanager
    @gate
    def guarded(a, b):
        yield body(a, b=b)

    def call():
        with guarded(1, b=2) as result:
            return result

    return call


@style
def twice_guarded(gate, body):
    @gate
    @gate
    def guarded(a, b):
        return body(a, b=b)

    return lambda: guarded(1, b=2)
