"""Proxies that stand for guarded callables: transparent objects of wrapt."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import wrapt

from .decoy import decoy

if TYPE_CHECKING:
    FunctionWrapper = wrapt.FunctionWrapper[..., Any]
else:
    FunctionWrapper = wrapt.FunctionWrapper  # older versions of wrapt have no types


def note_barrier(wrapper: Callable[..., object], barrier: object) -> None:
    """Note which barrier a wrapper stands for, so that it is found from the callable that it guards."""
    vars(wrapper)["barrier"] = barrier


class GuardedCallable(FunctionWrapper):
    """A guarded callable. It is copied like the callable behind it, and found again by name when it is unpickled."""

    # Frameworks look for attributes that a view has not, at each request. This is what wrapt's own look-up begins with;
    # defined here, a miss costs half: Python knows it and goes on to __getattr__ without an exception.
    __getattribute__ = object.__getattribute__

    def __reduce_ex__(self, protocol: Any) -> str:
        name = getattr(self.__wrapped__, "__qualname__", None)
        if name is None:
            raise TypeError(f"cannot pickle a guarded {type(self.__wrapped__).__name__}: it has no name to be found by")
        return str(name)

    def __copy__(self) -> Any:
        import copy

        return self._around(copy.copy(self.__wrapped__))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        import copy

        return self._around(copy.deepcopy(self.__wrapped__, memo))

    def barrier(self) -> object:
        """Return the gate, draw or meter that guards it."""
        found: object = vars(self._self_wrapper)["barrier"]
        return found

    def switched(self, is_on: Callable[[], bool]) -> Any:
        """Return the same guard, but for this: it lets every call through while it is not on."""
        wrapper: Any = self._self_wrapper

        def cold(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            return wrapper(wrapped, instance, args, kwargs) if is_on() else wrapped(*args, **kwargs)

        note_barrier(cold, self.barrier())
        return type(self)(self.__wrapped__, cold, self._self_enabled)

    def _around(self, copied: Any) -> Any:
        return self if copied is self.__wrapped__ else type(self)(copied, self._self_wrapper, self._self_enabled)


class Mark:
    """An attribute that frameworks look for at each call, and that few functions have.

    To find that a proxy lacks an attribute costs ten times as much as to find a value. So a guarded function has
    these, with the value that means the same as none; a function that has one keeps its own.
    """

    __slots__ = ("_absent", "_name")

    def __init__(self, name: str, absent: object) -> None:
        self._name = name
        self._absent = absent

    def __get__(self, guarded: Any, owner: Any = None) -> Any:
        return self if guarded is None else guarded.__wrapped__.__dict__.get(self._name, self._absent)

    def __set__(self, guarded: Any, value: object) -> None:
        setattr(guarded.__wrapped__, self._name, value)

    def __delete__(self, guarded: Any) -> None:
        delattr(guarded.__wrapped__, self._name)


class GuardedFunction(GuardedCallable):
    """A guarded function. It binds as functions do, which is several times cheaper than wrapt's own binding.

    It says that it is a function, so there are tools that send it elsewhere as one, by its code: they get a decoy.
    """

    @property
    def __code__(self) -> types.CodeType:
        # frameworks look at its flags for each request
        made: types.CodeType | None = getattr(self, "_self_code", None)
        if made is None:
            made = decoy(self.__wrapped__.__code__, self.__wrapped__.__qualname__)
            self._self_code: types.CodeType | None = made
        return made

    @__code__.setter
    def __code__(self, code: types.CodeType) -> None:
        self.__wrapped__.__code__ = code
        self._self_code = None

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)


class CountedFunction(GuardedFunction):
    """A guarded function each call of which is looked at: there is no window in which it is not.

    wrapt would first ask the function for ``__self__``. Functions have none, and to find that out costs half a draw.
    """

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        wrapper: Any = self._self_wrapper  # it takes four arguments, which wrapt has no type for
        return wrapper(self.__wrapped__, None, args, kwargs)


MARKS: dict[str, object] = {
    "_is_coroutine": None,  # asyncio of Python 3.11
    "_is_coroutine_marker": None,  # inspect of Python 3.12 and later
    "_non_atomic_requests": frozenset(),  # Django
    "csrf_exempt": False,  # Django
}
for _name, _absent in MARKS.items():
    setattr(GuardedFunction, _name, Mark(_name, _absent))
