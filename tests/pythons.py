"""Print the Pythons of this machine that meterguard supports: ``3.13t<TAB>/path/of/it`` a line, the newest of each.

With a version (``3.12``, ``3.13t``) it prints the path of that one alone, and fails where there is none. It looks on
PATH and where pyenv, uv and manylinux keep theirs: pyenv's own commands answer for the versions that are active only.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

NAME = re.compile(r"python3\.\d+t?")
# What a Python says of itself: 3.13t, its exact version.
ASK = """
import sys, sysconfig, venv
free = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
supported = sys.implementation.name == "cpython" and sys.version_info >= (3, 11) and sys.version_info[3] == "final"
print(f"{sys.version_info[0]}.{sys.version_info[1]}{free}", *sys.version_info[:3]) if supported else sys.exit(1)
"""


def folders() -> list[Path]:
    """Return the folders to look in, those on PATH first."""
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    kept = {pyenv: "versions/*/bin", home: ".local/share/uv/python/*/bin", Path("/opt/python"): "*/bin"}
    return [*map(Path, os.get_exec_path()), *(found for root, where in kept.items() for found in root.glob(where))]


def pythons() -> dict[str, str]:
    """Return the newest Python of each version, by version."""
    best: dict[str, tuple[list[int], str]] = {}
    for folder in folders():
        for program in sorted(folder.glob("python3.*")):
            if NAME.fullmatch(program.name) and (said := answer(program)):
                version, *exact = said
                numbers = list(map(int, exact))
                if version not in best or numbers > best[version][0]:
                    best[version] = numbers, str(program)
    return {version: path for version, (_, path) in sorted(best.items(), key=lambda item: item[1])}


def answer(program: Path) -> list[str]:
    """Return what a Python says of itself; nothing, when it does not run or is not supported."""
    try:
        said = subprocess.run([program, "-I", "-c", ASK], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return []
    return said.stdout.split() if said.returncode == 0 else []


def main() -> None:
    found = pythons()
    if len(sys.argv) == 1:
        print(*(f"{version}\t{path}" for version, path in found.items()), sep="\n")
    elif sys.argv[1] in found:
        print(found[sys.argv[1]])
    else:
        sys.exit(f"no Python {sys.argv[1]} here; there is {', '.join(found) or 'none'}")


if __name__ == "__main__":
    main()
