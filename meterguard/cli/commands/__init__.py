"""The commands, one file each.

* A command parses, calls and prints. It imports what it calls when it runs, so that ``--help`` is quick.
* A command is named like its file, but for one whose name is a keyword, and is added to the group below.
"""

from __future__ import annotations

import click

from ... import __version__
from ..group import Commands
from .borrow import borrow
from .demo import demo
from .doctor import doctor
from .emulator import emulator
from .give_back import give_back
from .meter import meter
from .release import release
from .status import status
from .usage import usage

__all__ = ("meterguard",)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def meterguard() -> None:
    """Put an AWS License Manager licence in front of Python code."""


for _command in (borrow, demo, doctor, emulator, meter, release, give_back, status, usage):
    meterguard.add_command(_command)
