"""A licence for the length of a test or a block."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TypeVar, cast

from ..default import exchange_guard
from ..errors import ConfigurationError
from ..guard import MeterGuard
from ..model import shortened
from ..options import GuardOptions
from .arguments import Granted, table_of_names
from .control import Control

__all__ = ("override",)

T = TypeVar("T")


class override:  # noqa: N801 - it is used as a decorator and a statement
    """A default guard with a licence as described, for the length of a test or a block.

    ::

        with override(Seats=5, Export=False) as control: ...

        @override(Seats=5)
        async def test_export(): ...

        @override({"AWS::Marketplace::Usage": True})
        class ExportTest(unittest.TestCase): ...

    Gates that were declared before, and name no guard, follow it. Each use has a licence of its own; a decorated
    function that takes a ``control`` gets it. On a class it wraps each test method.

    :param entitlements: what the licence has, as for :class:`Control`, for names that are no Python names.
    :param options: arguments for the guard.
    """

    control_class = Control

    def __init__(
        self,
        entitlements: Mapping[str, Granted] | None = None,
        /,
        *,
        options: Mapping[str, object] | None = None,
        **named: Granted,
    ) -> None:
        self._entitlements = {**table_of_names("entitlements", entitlements), **named}
        self._options = dict(table_of_names("options", options))
        self._open: list[tuple[Control, MeterGuard | None]] = []

    def __enter__(self) -> Control:
        control = self.control_class(self._entitlements, **cast("GuardOptions", self._options))
        self._open.append((control, exchange_guard(control.guard)))
        return control

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        control, before = self._open.pop()
        exchange_guard(before)
        control.close()

    async def __aenter__(self) -> Control:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, value, trace)

    def __call__(self, decorated: T) -> T:
        given: object = decorated
        if not callable(given):
            raise ConfigurationError(f"override decorates a function or a class, not {shortened(decorated)}")
        if isinstance(decorated, type):
            for name, method in list(vars(decorated).items()):
                if name.startswith("test") and callable(method):
                    setattr(decorated, name, self._wrapped(method))
            return decorated
        wrapped: T = self._wrapped(decorated)
        return wrapped

    def _wrapped(self, test: Any) -> Any:
        takes_control = "control" in inspect.signature(test).parameters

        def fresh() -> override:
            return type(self)(self._entitlements, options=self._options)

        def given(control: Control, kwargs: dict[str, Any]) -> dict[str, Any]:
            return {**kwargs, "control": control} if takes_control else kwargs

        if inspect.iscoroutinefunction(test):

            @functools.wraps(test)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                async with fresh() as control:
                    return await test(*args, **given(control, kwargs))

            wrapper: Any = run_async
        else:

            @functools.wraps(test)
            def run(*args: Any, **kwargs: Any) -> Any:
                with fresh() as control:
                    return test(*args, **given(control, kwargs))

            wrapper = run
        if takes_control:  # pytest would look for a fixture of that name
            signature = inspect.signature(test)
            kept = [one for one in signature.parameters.values() if one.name != "control"]
            wrapper.__signature__ = signature.replace(parameters=kept)
        return wrapper
