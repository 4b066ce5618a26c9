"""Programs for a process of their own, which may fork, be killed, or have a disk that is soon full."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap

import pytest


def run(prelude, program, path, journal, *prefix):
    """Run a program behind its prelude, and return what it printed. It finds path and journal in ``sys.argv``."""
    command = [*prefix, sys.executable, "-c", prelude + textwrap.dedent(program), str(path), journal]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def on_a_small_disk(directory):
    """Return what a command begins with whose directory is a file system of its own, of 400 kB.

    A kernel may let anybody mount one in a namespace.
    """
    unshare = shutil.which("unshare")
    prefix = [unshare or "", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mount = f'mount -t tmpfs -o size=400k none "{directory}"'
    if unshare is None or subprocess.run([*prefix, mount], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small file system")
    return [*prefix, f'{mount} && exec "$@"', "sh"]
