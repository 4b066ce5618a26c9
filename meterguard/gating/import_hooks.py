"""Import hooks: what is to happen each time a module has been executed.

wrapt's own hooks forget a module once it was imported, so that a second attempt at an import that failed, and a reload,
would go on without the guard.
"""

from __future__ import annotations

import importlib.machinery
import sys
import threading
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import wrapt

from ..errors import ConfigurationError

if TYPE_CHECKING:
    ObjectProxy = wrapt.ObjectProxy[Any]
else:
    ObjectProxy = wrapt.ObjectProxy

Hook = Callable[[], None]

_hooks: dict[str, tuple[Hook, ...]] = {}


def add(name: str, hook: Hook) -> None:
    """Call the hook each time this module has been executed from now on; what it raises fails the import.

    Hooks are added and discarded by one thread at a time; modules may be imported meanwhile.
    """
    _hooks[name] = (*_hooks.get(name, ()), hook)
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def discard(name: str, hook: Hook) -> None:
    """Forget a hook. Idempotent."""
    left = tuple(one for one in _hooks.get(name, ()) if one != hook)
    if left:
        _hooks[name] = left
    else:
        _hooks.pop(name, None)


def _notify(name: str) -> None:
    """Call every hook, also after one has failed: a module that is reloaded stays, whatever is raised."""
    problems = []
    for hook in _hooks.get(name, ()):
        try:
            hook()
        except Exception as problem:  # noqa: BLE001 - it is raised below
            problems.append(problem)
    if problems:
        raise problems[0]


class _Looking(threading.local):
    """The modules that this thread asks the other finders for."""

    def __init__(self) -> None:
        self.names: set[str] = set()


class _Finder:
    """Finds modules with hooks where the other finders find them."""

    def __init__(self) -> None:
        self._looking = _Looking()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return what another finder returns, with a loader that calls the hooks."""
        names = self._looking.names
        if name not in _hooks or name in names:  # the other finders may ask all finders, too
            return None
        names.add(name)
        try:
            spec = _found_elsewhere(name, path, target)
        finally:
            names.discard(name)
        if spec is not None:
            if not hasattr(spec.loader, "exec_module"):
                raise ConfigurationError(
                    f"protect() cannot guard anything in {name}: it is a namespace package, or its loader has no "
                    "exec_module(). Name the module that defines the function"
                )
            spec.loader = cast(Any, _Loader(spec.loader))
        return spec


def _found_elsewhere(
    name: str, path: Sequence[str] | None, target: ModuleType | None
) -> importlib.machinery.ModuleSpec | None:
    for finder in list(sys.meta_path):
        find_spec = None if finder is _finder else getattr(finder, "find_spec", None)
        spec: importlib.machinery.ModuleSpec | None = None if find_spec is None else find_spec(name, path, target)
        if spec is not None:
            return spec
    return None


class _Loader(ObjectProxy):
    """A module's loader, which calls the hooks when the module has been executed."""

    def exec_module(self, module: ModuleType) -> None:
        loader, own = self.__wrapped__, cast(object, self)
        spec = module.__spec__
        if spec is not None and spec.loader is own:  # the module shall see its own
            spec.loader = loader
        if getattr(module, "__loader__", None) is own:
            module.__loader__ = loader
        loader.exec_module(module)
        _notify(module.__name__ if spec is None else spec.name)


_finder: Any = _Finder()
