"""Build what would be released, install it in a fresh environment, and run the README's program there.

``python tests/release_check.py [FOLDER]`` leaves the archives in the folder, ``dist`` by default.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
IN_THE_SOURCE = [
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "pyproject.toml",
    "meterguard/__init__.py",
    "tests/conftest.py",
]


def run(*command, **options):
    return subprocess.run(list(map(str, command)), check=True, **options)


def build(folder):
    """Build the source archive, and from it the wheel: what is missing in the one cannot be in the other."""
    for old in folder.glob("meterguard-*"):
        old.unlink()
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, stdout=subprocess.DEVNULL)
    (source,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return source, wheel


def check_contents(source, wheel):
    """Check that the archives hold all that the package needs, and nothing else."""
    with tarfile.open(source) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert set(IN_THE_SOURCE) <= held, set(IN_THE_SOURCE) - held
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if not name.partition("/")[0].endswith(".dist-info")}
    ours = subprocess.check_output(["git", "ls-files", "meterguard"], cwd=ROOT, text=True).split()
    assert held == set(ours), held ^ set(ours)


def readme_program():
    """Return the first program of the README, and what it says that it prints."""
    text = README.read_text("utf-8")
    program = re.search(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    printed = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL).search(text, program.end())
    return program[1], printed[1]


def run_readme(wheel, folder):
    """Run the program in an environment that has the wheel and what it needs, away from the repository."""
    venv.create(folder / "venv")
    python = folder / "venv" / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", f"{wheel}[emulator]")
    run(sys.executable, "-m", "pip", "--python", python, "check")
    program, says = readme_program()
    (folder / "hello.py").write_text(program, "utf-8")
    printed = run(python, "hello.py", cwd=folder, capture_output=True, text=True, timeout=60).stdout
    assert printed == says, printed


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist").resolve()
    source, wheel = build(folder)
    check_contents(source, wheel)
    with tempfile.TemporaryDirectory() as place:
        run_readme(wheel, Path(place))
    print(f"{source.name} and {wheel.name} hold what they should, and the README's program runs from the wheel")


if __name__ == "__main__":
    main()
