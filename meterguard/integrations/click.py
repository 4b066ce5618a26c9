"""Click and Typer: exit codes for what a licence says, and the search for guards that never run.

Nothing of either is imported: Typer may bring a Click of its own, so what they have in common is gone by.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable, MeterGuardError
from ..model import shortened
from .audit import Registered

__all__ = ("exit_codes", "registered")

_FAILED, _DENIED, _UNAVAILABLE = 1, 3, 4  # 2 is Click's, for what was called wrongly


@contextmanager
def exit_codes() -> Iterator[None]:
    """End the process with one line on standard error, where a gate would end it with a traceback.

    ::

        @cli.command()
        @exit_codes()
        @requires_entitlement("Export")
        def export(): ...

    A decorator for a command, above its guard, or ``with exit_codes(): cli()`` around all of them. The exit code is
    3 after :class:`~meterguard.EntitlementDenied`, 4 after :class:`~meterguard.EntitlementUnavailable`, and 1 when the
    set-up is wrong. Any other exception passes through.

    :raises SystemExit: the gate did not open.
    """
    try:
        yield
    except MeterGuardError as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201 # there is nobody else to tell
        raise SystemExit(_exit_code(error)) from None


def _exit_code(error: MeterGuardError) -> int:
    if isinstance(error, EntitlementDenied):
        return _DENIED
    return _UNAVAILABLE if isinstance(error, EntitlementUnavailable) else _FAILED


def registered(app: object) -> Iterator[Registered]:
    """Yield the commands of a Click command or group, or of a Typer application, and what is run for each.

    Groups that load their commands late load them now.

    :raises ConfigurationError: ``app`` is none of these.
    """
    is_command = hasattr(app, "callback") or hasattr(app, "registered_commands")
    if not is_command:
        raise ConfigurationError(f"app must be a Click command or group, or a Typer application; got {shortened(app)}")
    command: Any = app
    typer: Any = sys.modules.get("typer")
    if typer is not None and isinstance(app, typer.Typer):
        if not (command.registered_commands or command.registered_groups or command.registered_callback):
            return  # Typer makes no command of that
        command = typer.main.get_command(app)
    yield from _below(command, command.name or "", None)


def _below(command: Any, name: str, parent: Any) -> Iterator[tuple[str, Any]]:
    if command.callback is not None:
        yield name, command.callback
    if hasattr(command, "list_commands"):
        context = command.context_class(command, info_name=command.name, parent=parent)
        for each in command.list_commands(context):
            found = command.get_command(context, each)
            if found is not None:
                yield from _below(found, f"{name} {each}".lstrip(), context)
