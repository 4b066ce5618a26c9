"""The emulator as a command serves it: licences to begin with, and failures that people can mend."""

from __future__ import annotations

import errno
import sys
from functools import partial
from pathlib import Path

from ..emulator import Emulator, PolicyError, Seed, SeedError, StateError, load_seed
from ..emulator import serve as serve_emulator
from . import banner
from .request_log import RequestLog

# The licence of the documentation, so that its snippets run against an emulator that nobody has set up.
DOCUMENTED = Seed(
    licenses=(
        {
            "product_sku": "ACME-1",
            "entitlements": [["Seats", 3, "Count"], ["Export", None, "None"]],
            "ttl": 3600,
        },
    )
)


class BadSeed(Exception):
    """The seed file cannot be used."""


class CannotServe(Exception):
    """The port or the state file cannot be used."""


class BadPolicy(Exception):
    """The policy cannot be used."""


def serve(
    port: int,
    seed: Path | None,
    *,
    state: Path | None,
    verify_signatures: bool,
    policy: Path | None,
    with_log: bool,
    as_json: bool,
) -> None:
    """Serve until told to stop.

    :raises BadSeed: the seed file cannot be used.
    :raises BadPolicy: the policy file cannot be used.
    :raises CannotServe: the port or the state file cannot be used.
    """
    planted = _default(state) if seed is None else _loaded(seed)
    log = RequestLog() if with_log else None
    try:
        serve_emulator(
            port,
            ready=partial(_tell, as_json=as_json),
            seed=planted,
            state=state,
            on_request=None if log is None else log.note,
            verify_signatures=verify_signatures,
            policy=policy,
        )
    except SeedError as error:
        raise BadSeed(f"{seed.name}: {error}" if seed else str(error)) from error
    except PolicyError as error:
        raise BadPolicy(str(error)) from error
    except StateError as error:
        raise CannotServe(str(error)) from error
    except OSError as error:
        raise _explained(error, port) from error
    finally:
        if log is not None:
            log.finish()
    print("stopped", file=sys.stderr)


def _default(state: Path | None) -> Seed:
    # The user of a state file has put licences of their own into it, or has deleted them.
    is_new = state is None or not state.exists() or state.stat().st_size == 0
    return DOCUMENTED if is_new else Seed()


def _loaded(path: Path) -> Seed:
    try:
        return load_seed(path)
    except SeedError as error:
        raise BadSeed(str(error)) from error


def _explained(error: OSError, port: int) -> CannotServe:
    if error.errno == errno.EADDRINUSE:
        return CannotServe(f"port {port} of 127.0.0.1 is in use; choose another with --port (0: any free one)")
    if error.errno in (errno.EACCES, errno.EPERM):
        return CannotServe(f"port {port} needs privileges that this process lacks; choose one from 1024 with --port")
    return CannotServe(str(error))


def _tell(emulator: Emulator, *, as_json: bool) -> None:
    print(banner.document(emulator) if as_json else banner.text(emulator), flush=True)
    print("serving until Ctrl-C", file=sys.stderr, flush=True)
