"""A program for a fresh interpreter: imports meterguard, decorates 100 functions, reports what that did.

What wrapt does when it is imported is its own: it is imported first.
"""

import json
import os
import sys
import threading

import wrapt  # noqa: F401

environment_reads: list[str] = []
effects: list[str] = []
watching = True
before = set(sys.modules)
read = os._Environ.__getitem__


def watched_read(environ, key):
    if watching:
        environment_reads.append(str(key))
    return read(environ, key)


def audit(event, args):
    if not watching:
        return
    if event == "open":
        path = os.fsdecode(args[0]) if isinstance(args[0], str | bytes) else str(args[0])
        if not path.endswith((".py", ".pyc", ".so")):
            effects.append(f"open {path}")
    elif event.startswith("socket.") or event in {"os.fork", "subprocess.Popen"}:
        effects.append(event)


os._Environ.__getitem__ = watched_read
sys.addaudithook(audit)
sys.path.insert(0, sys.argv[1])

import meterguard  # noqa: E402

for number in range(100):
    meterguard.requires_entitlement(f"Feature{number}")(lambda: None)

watching = False
report = {
    "modules": sorted(set(sys.modules) - before),
    "threads": [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()],
    "effects": effects,
    "environment_reads": environment_reads,
}
json.dump(report, sys.stdout)
