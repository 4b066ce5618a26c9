"""The group of all commands: it tells errors in one line, with the exit codes of `exits`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from ..errors import MeterGuardError
from .exits import Exit, exit_of

_NO_ARGUMENTS = getattr(click.exceptions, "NoArgsIsHelpError", ())  # click 8.2 and newer


class WrongUsage(click.ClickException):
    """A command was called wrongly; told in one line, without the usage that click puts above it."""

    exit_code = Exit.USAGE


class Commands(click.Group):
    """A group that tells wrong usage and meterguard's errors in one line each."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        """Read the options that stand before the command."""
        with _wrong_usage():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that was asked for."""
        try:
            with _wrong_usage():
                return super().invoke(ctx)
        except MeterGuardError as error:
            click.echo(f"Error: {_line(str(error))}", err=True)
            ctx.exit(exit_of(error))
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(Exit.INTERRUPTED)


@contextmanager
def _wrong_usage() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        if isinstance(error, _NO_ARGUMENTS):  # its text is the help
            raise
        command = error.ctx.command_path if error.ctx else "meterguard"
        message = _line(error.format_message()).rstrip(".")
        raise WrongUsage(f"{message}. See '{command} --help'.") from error


def _line(text: str) -> str:
    return " ".join(text.split())
