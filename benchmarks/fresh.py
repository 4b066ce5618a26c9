"""Fresh processes: a study measured in some of them, and what they found put together."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from .plan import Found, Goal, Scale, Study

ROOT = Path(__file__).parents[1]
MARK = "found: "
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def environment() -> dict[str, str]:
    """Return the environment of this process without its settings for AWS. Compiled modules are kept, as for peers."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "METERGUARD_")) and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {**own, **CREDENTIALS, "PYTHONPATH": str(ROOT)}


def run(program: str, *arguments: str, env: dict[str, str]) -> str:
    """Run a program in a fresh interpreter. Return what it prints."""
    command = [sys.executable, "-P", "-c", program, *arguments]
    return _printed(command, env)


def measure(study: Study, scale: Scale, processes: int) -> Found:
    """Run a study in some fresh processes. Return its figures over all of them."""
    command = [sys.executable, "-m", "benchmarks", "--child", study.name, *(["--quick"] if scale.quick else [])]
    env = environment()
    return together([_child(command, env) for _ in range(processes)], study.goals)


def _child(command: list[str], env: dict[str, str]) -> Found:
    answer = next(line for line in _printed(command, env).splitlines() if line.startswith(MARK))
    return Found(**json.loads(answer.removeprefix(MARK)))


def _printed(command: list[str], env: dict[str, str]) -> str:
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def report(found: Found) -> None:
    """Print what was found, for `measure` in the parent process to read."""
    print(MARK + json.dumps(asdict(found)), flush=True)


def together(founds: list[Found], goals: list[Goal]) -> Found:
    """Return the median of each figure, and the worst of a count that a goal judges."""
    worst = {goal.figure: min if goal.at_least else max for goal in goals if goal.is_count}
    merged = Found()
    for figure in dict.fromkeys(figure for found in founds for figure in found.figures):
        values = [found.figures[figure] for found in founds if figure in found.figures]
        merged.figures[figure] = worst.get(figure, statistics.median)(values)
    merged.absent = sorted({name for found in founds for name in found.absent})
    merged.remarks = list(dict.fromkeys(remark for found in founds for remark in found.remarks))
    return merged
