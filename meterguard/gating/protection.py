"""Protections: guards in front of code that cannot be edited."""

from __future__ import annotations

import importlib
import inspect
import sys
import threading
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from ..errors import ConfigurationError
from ..model import shortened
from ..runtime import forking
from . import import_hooks, registration
from .proxies import CountedFunction, GuardedCallable
from .wrappers import guarded

if TYPE_CHECKING:
    from .gate import Gate

_lock = threading.RLock()  # what stands where is read and replaced in one go
forking.hold_while_forking(_lock)
_in_force: list[Protection] = []
_ABSENT: Any = object()


@dataclass(frozen=True)
class _Slot:
    """A name in a module, class or object, as it stands there: a method is not bound."""

    owner: Any
    name: str

    def standing(self) -> Any:
        return getattr(self.owner, "__dict__", {}).get(self.name, _ABSENT)

    def put(self, standing: Any) -> None:
        if standing is _ABSENT:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, standing)

    def clear(self) -> None:
        """Take guards off that are out of force, as far as nothing else stands on them."""
        while (layer := _layer(self.standing())) is not None and layer.protection.is_removed:
            self.put(layer.beneath)
            layer.unmark()


@dataclass(frozen=True, eq=False)
class Layer:
    """One guard that a protection has put into a slot, and what stood there before."""

    protection: Protection
    slot: _Slot
    beneath: Any
    standing: Any
    proxy: GuardedCallable
    marked: Any

    def unmark(self) -> None:
        """Forget that a guard stands around the function, where this one was the first."""
        if self.marked is not None:
            registration.unmark(self.marked)

    def is_reached(self) -> bool:
        """Tell whether it stands there still, as far as ``__wrapped__`` leads."""
        found: Any = self.slot.standing()
        return inspect.unwrap(found, stop=lambda one: one is self.proxy) is self.proxy


def _layer(standing: Any) -> Layer | None:
    function = _function(standing)
    if not issubclass(type(function), GuardedCallable):  # others may do anything when they are asked
        return None
    found = getattr(function, "_self_layer", None)
    return found if isinstance(found, Layer) and found.standing is standing else None


def _function(standing: Any) -> Any:
    return standing.__func__ if isinstance(standing, classmethod | staticmethod) else standing


class Protection:
    """A guard at a name in a module that is imported already or will be, until it is removed.

    Made by :func:`protect`. As a context manager it is removed at the end of the block.
    """

    def __init__(self, target: object, gate: Gate) -> None:
        self._module, self._path = _parts(target)
        self.target = str(target)
        """What it guards, as it was given."""
        self.is_removed = False
        """True once it was removed."""
        self._gate = gate
        self._layers: list[Layer] = []

    @property
    def is_in_place(self) -> bool:
        """True while calls by way of the target's name meet the guard.

        False before the module is imported, once the protection is removed, and where something stands there now that
        does not lead to the guard by ``__wrapped__``.
        """
        return not self.is_removed and bool(self._layers) and self._layers[-1].is_reached()

    @property
    def is_waiting(self) -> bool:
        """True until the module is imported."""
        return not self.is_removed and not self._layers

    def begin(self) -> Self:
        """Put the guard there, now or once the module is imported.

        :raises ConfigurationError: the module is imported, and has no such thing.
        :raises TypeError: what is there cannot be guarded.
        """
        forking.importing()  # whose hook makes a fork wait for the lock
        with _lock:
            import_hooks.add(self._module, self._put)
            _in_force.append(self)
        try:
            if sys.modules.get(self._module) is not None:
                self._put_now()
        except BaseException:
            self.remove()
            raise
        return self

    def remove(self) -> None:
        """Put back what was there. Idempotent; before the import, nothing will happen at the import.

        Where somebody else has wrapped the guard meanwhile, theirs stays, and the guard lets every call through.
        """
        with _lock:
            if self.is_removed:
                return
            self.is_removed = True
            _in_force.remove(self)
            import_hooks.discard(self._module, self._put)
            for layer in self._layers:
                layer.slot.clear()

    def bypassing(self) -> list[object]:
        """Return the functions behind the guard, which whoever holds them calls without it."""
        behind = []
        for layer in self._layers:
            beneath: Any = layer
            while beneath is not None and beneath.beneath is not _ABSENT:
                behind.append(_function(beneath.beneath))
                beneath = _layer(beneath.beneath)
        return behind

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        if self.is_removed:
            state = "removed"
        elif self.is_waiting:
            state = f"waits for the import of {self._module}"
        else:
            state = "in place" if self.is_in_place else "displaced"
        return f"<Protection of {self.target}: {state}>"

    def _put_now(self) -> None:
        module = importlib.import_module(self._module)  # waits for another thread that is importing it
        try:
            self._put()
        except ConfigurationError as problem:
            if not getattr(getattr(module, "__spec__", None), "_initializing", False):
                raise
            raise ConfigurationError(
                f"{problem}. It is still being imported: call protect() before that begins, or when it has ended"
            ) from None

    def _put(self) -> None:
        with _lock:
            if self.is_removed:
                return
            slot = _Slot(_owner(self.target, self._module, self._path[:-1]), self._path[-1])
            own = [one for one in self._layers if one.slot.owner is slot.owner]
            if not any(one.is_reached() for one in own):
                layer = self._layer(slot)
                _set(self.target, layer)
                self._layers = [one for one in self._layers if one not in own] + [layer]

    def _layer(self, slot: _Slot) -> Layer:
        beneath = slot.standing()
        original = _inherited(self.target, slot) if beneath is _ABSENT else beneath
        _require_guardable(self.target, original)
        function = _function(original)
        was_marked = registration.is_marked(function)
        made: Any = guarded(self._gate, function)
        proxy: Any = made.switched(lambda: not self.is_removed)
        standing = proxy if function is original else type(original)(proxy)
        marked = function if registration.is_marked(function) and not was_marked else None
        proxy._self_layer = layer = Layer(self, slot, beneath, standing, proxy, marked)
        return layer


def in_force() -> list[Protection]:
    """Return the protections that are not removed, in the order in which they were made."""
    return list(_in_force)


# -- targets -------------------------------------------------------------------------------------------


def _parts(target: object) -> tuple[str, list[str]]:
    if isinstance(target, str) and target.count(":") == 1:
        module, path = target.split(":")
        if all(part.isidentifier() for part in (*module.split("."), *path.split("."))):
            return module, path.split(".")
    raise ConfigurationError(
        "target must name a module and what to guard in it, as in 'package.module:function' or "
        f"'package.module:Class.method'; got {shortened(target)}"
    )


def _owner(target: str, name: str, path: list[str]) -> Any:
    owner: Any = sys.modules[name]
    for part in path:
        found = _Slot(owner, part).standing()
        if found is _ABSENT:
            found = _ABSENT if isinstance(owner, ModuleType) else getattr(owner, part, _ABSENT)
        if found is _ABSENT:
            raise _missing(target, owner, part)
        owner = found
    return owner


def _inherited(target: str, slot: _Slot) -> Any:
    """Return what stands for something that a class inherits, or that an object has of its class."""
    owner, name = slot.owner, slot.name
    if isinstance(owner, type):
        for parent in owner.__mro__[1:]:
            if name in vars(parent):
                return _calling_super(owner, name, vars(parent)[name])
    elif not isinstance(owner, ModuleType) and hasattr(owner, name):
        return getattr(owner, name)
    raise _missing(target, owner, name)


def _calling_super(owner: type, name: str, original: Any) -> Any:
    """Return an override that does nothing: what it calls is looked up at the call, as it would be without it."""
    if not callable(_function(original)) or isinstance(original, type):
        return original
    is_bound = hasattr(type(original), "__get__") and not isinstance(original, staticmethod)

    def forward(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        if not is_bound:
            return getattr(super(owner, owner), name)(*args, **kwargs)
        first = args[0] if args else None
        if isinstance(first, owner) or (isinstance(first, type) and issubclass(first, owner)):
            return getattr(super(owner, first), name)(*args[1:], **kwargs)
        return wrapped(*args, **kwargs)

    override: Any = CountedFunction(_function(original), forward)
    return override if _function(original) is original else type(original)(override)


# -- what cannot be guarded ----------------------------------------------------------------------------


def _missing(target: str, owner: Any, name: str) -> ConfigurationError:
    fix = "correct the target; another version of the package may have another name for it"
    if isinstance(owner, ModuleType) and hasattr(owner, "__getattr__"):
        fix = "if its __getattr__ makes one, name the module that defines it"
    return ConfigurationError(
        f"protect({target!r}): {_name(owner)} has no {name!r}, so nothing would be guarded; {fix}"
    )


def _name(owner: Any) -> str:
    if isinstance(owner, ModuleType):
        return f"the module {owner.__name__}"
    if isinstance(owner, type):
        return f"the class {owner.__module__}.{owner.__qualname__}"
    return f"an object of type {type(owner).__qualname__}"


def _require_guardable(target: str, found: Any) -> None:
    """Raise a TypeError that says what to protect instead."""
    owner = target.rpartition(".")[0]
    if isinstance(found, type):
        why = f"it is a class, whose other methods would stay unguarded. Protect its methods ('{target}.__init__' "
        why += "guards construction)"
    elif isinstance(found, property):
        why = f"it is a property. Protect what it calls, or '{owner}.__init__', which guards construction"
    elif (registered := registration.registered_kind(found)) is not None:
        kind, function = registered
        instead = "the function that was registered" if function is None else f"'{target}.{function}'"
        why = f"it is a {kind}, which would be run without the guard. Protect {instead}"
    elif callable(_function(found)):
        return
    else:
        why = f"it is an object of type {type(found).__qualname__}, which cannot be called. "
        why += "Protect a function or method"
    raise TypeError(f"protect({target!r}) cannot guard this: {why}")


def _set(target: str, layer: Layer) -> None:
    slot = layer.slot
    try:
        slot.put(layer.standing)
    except (AttributeError, TypeError) as problem:
        layer.unmark()
        raise ConfigurationError(
            f"protect({target!r}): {_name(slot.owner)} lets nobody replace {slot.name!r} ({problem}); protect what "
            "calls it"
        ) from None
