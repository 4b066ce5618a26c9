"""The Pythons that ``.ci/run`` runs the bare part on."""

from __future__ import annotations

import sys
import sysconfig

import pytest

from tests import pythons

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}" + "t" * bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that is all of PATH, and a home without pyenv."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    return tmp_path


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_python_is_found_by_what_it_says(folder):
    program(folder / "python3.99", f'exec {sys.executable} "$@"')
    program(folder / "python3.99-config", "echo 3.98 3 98 0")
    assert pythons.pythons()[HERE] == str(folder / "python3.99")


def test_a_shim_of_a_version_that_is_not_active_is_passed_by(folder):
    program(folder / "python3.98", "echo 'pyenv: python3.98: command not found' >&2; exit 127")
    program(folder / "pyenv" / "versions" / "3.98.1" / "bin" / "python3.98", "echo 3.98 3 98 1")
    program(folder / "pyenv" / "versions" / "3.98.0" / "bin" / "python3.98", "echo 3.98 3 98 0")
    program(folder / "pyenv" / "versions" / "3.98.2t" / "bin" / "python3.98t", "echo 3.98t 3 98 2")
    found = {version: path for version, path in pythons.pythons().items() if version.startswith("3.98")}
    assert found == {
        "3.98": str(folder / "pyenv" / "versions" / "3.98.1" / "bin" / "python3.98"),
        "3.98t": str(folder / "pyenv" / "versions" / "3.98.2t" / "bin" / "python3.98t"),
    }
