"""The commands, one file each: parse, call, print."""

from __future__ import annotations

import click

from ... import __version__
from ..group import Commands
from .demo import demo
from .doctor import doctor
from .emulator import emulator

__all__ = ("meterguard",)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def meterguard() -> None:
    """Put an AWS License Manager licence in front of Python code."""


for _command in (demo, doctor, emulator):
    meterguard.add_command(_command)
