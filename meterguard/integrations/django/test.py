"""A licence for the tests of a project."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from django.test.utils import TestContextDecorator

from ...testing import Control, override
from ...testing.arguments import Granted
from ..django_guard import PermissionGuard
from ..settings import check
from .signals import forward

__all__ = ("override_entitlements",)

F = TypeVar("F", bound=Callable[..., object])


class _Control(Control):
    guard_class = PermissionGuard  # it denies as a project's own guard does


class _Override(override):
    control_class = _Control

    def __enter__(self) -> Control:
        control = super().__enter__()
        forward(control.guard)
        return control


class override_entitlements(TestContextDecorator):  # type: ignore[misc,unused-ignore]  # noqa: N801 - as override_settings
    """A licence as described, for a test, the tests of a class, or a block. Nobody outside this process is asked.

    ::

        @override_entitlements(Seats=5, Export=False)
        class ExportTest(TestCase): ...

        with override_entitlements(Seats=5) as control: ...

    Gates that name no guard follow it, and so do mixin, middleware, tags and signals. A decorated function that takes
    a ``control`` (:class:`meterguard.testing.Control`) gets it; in a class it is ``self.control``. Each use has a
    licence of its own.

    :param entitlements: what the licence has, for names that are no Python names, such as
        ``{"AWS::Marketplace::Usage": True}``.
    :param options: arguments for the guard.
    :raises ConfigurationError: an argument is no mapping.
    """

    def __init__(
        self,
        entitlements: Mapping[str, Granted] | None = None,
        /,
        *,
        options: Mapping[str, object] | None = None,
        **named: Granted,
    ) -> None:
        for argument, value in {"entitlements": entitlements, "options": options}.items():
            check(argument, value, value is None or isinstance(value, Mapping), "a mapping")
        super().__init__(attr_name="control")
        self._override = _Override(entitlements, options=options, **named)

    def enable(self) -> Control:
        """Begin the licence."""
        return self._override.__enter__()

    def disable(self) -> None:
        """End the licence, and put back in charge what was before."""
        self._override.__exit__(None, None, None)

    def decorate_callable(self, func: F) -> F:
        """Return a test, synchronous or not, that runs under the override."""
        return self._override(func)
