"""What `meterguard emulator` says while it serves."""

from __future__ import annotations

import errno
import json
import shlex
import sys
import threading
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ..emulator import Emulator, License, PolicyError, Request, Seed, SeedError, StateError, load_seed
from ..emulator import serve as serve_emulator

# The licence of the documentation, so that its snippets run against an emulator nobody set up.
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
    """The port or the state file cannot be had."""


class BadPolicy(Exception):
    """The policy cannot be used."""


def serve(port: int, seed: Path | None, *, state: Path | None, with_log: bool, as_json: bool, **options: Any) -> None:
    """Serve until told to stop; ``options`` are those of the emulator."""
    planted = _default(state) if seed is None else _loaded(seed)
    log = RequestLog() if with_log else None
    try:
        serve_emulator(
            port,
            ready=partial(_tell, as_json=as_json),
            seed=planted,
            state=state,
            on_request=log and log.note,
            **options,
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
    # Whoever has a state file has licences of their own, or had them deleted.
    is_new = state is None or not state.exists() or state.stat().st_size == 0
    return DOCUMENTED if is_new else Seed()


def _loaded(path: Path) -> Seed:
    try:
        return load_seed(path)
    except SeedError as error:
        raise BadSeed(str(error)) from error


def _explained(error: OSError, port: int) -> Exception:
    if error.errno == errno.EADDRINUSE:
        return CannotServe(f"port {port} of 127.0.0.1 is in use; choose another with --port (0: any free one)")
    if error.errno in (errno.EACCES, errno.EPERM):
        return CannotServe(f"port {port} needs privileges that this process lacks; choose one from 1024 with --port")
    return error


# -- where it serves -------------------------------------------------------------------------------


def _tell(emulator: Emulator, *, as_json: bool) -> None:
    licences = _licences(emulator)
    print(_document(emulator, licences) if as_json else _banner(emulator, licences), flush=True)
    print("serving until Ctrl-C", file=sys.stderr, flush=True)


def _licences(emulator: Emulator) -> list[License]:
    """The newest licence of each product."""
    return list({one.product_sku: one for one in emulator.licenses() if one.status != "DELETED"}.values())


def _environment(emulator: Emulator, licences: list[License]) -> tuple[dict[str, str], dict[str, str]]:
    """The variables that point AWS's clients at the emulator, and those that tell meterguard what to ask for."""
    aws = {
        "AWS_ENDPOINT_URL_LICENSE_MANAGER": emulator.url,
        "AWS_REGION": emulator.region,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    if not licences:
        return aws, {}
    first = licences[0]
    return aws, {
        "METERGUARD_PRODUCT_SKU": first.product_sku,
        "METERGUARD_KEY_FINGERPRINT": first.key_fingerprint,
    }


def _banner(emulator: Emulator, licences: list[License]) -> str:
    aws, ours = _environment(emulator, licences)
    lines = [
        f"License Manager (emulated) at {emulator.url}",
        *(f"  {one.product_sku}: {', '.join(map(_entitlement, one.entitlements))}" for one in licences),
        *([] if licences else ["  no licences"]),
        "",
        "In the shell of the program that is to use it:",
        "",
        *(_export(variables) for variables in (aws, ours) if variables),
        "",
    ]
    return "\n".join(lines)


def _export(variables: Mapping[str, str]) -> str:
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())


def _entitlement(one: Any) -> str:
    if not one.is_counted:
        return f"{one.name} (feature)" if one.value is None else f"{one.name} (feature: {one.value})"
    most = "any number of" if one.max_count is None else one.max_count
    return f"{most} {one.name}" if one.unit == "Count" else f"{most} {one.name} ({one.unit})"


def _document(emulator: Emulator, licences: list[License]) -> str:
    aws, ours = _environment(emulator, licences)
    return json.dumps(
        {
            "url": emulator.url,
            "port": emulator.port,
            "region": emulator.region,
            "account_id": emulator.account_id,
            "licenses": [
                {
                    "product_sku": one.product_sku,
                    "key_fingerprint": one.key_fingerprint,
                    "entitlements": _terms(one),
                }
                for one in licences
            ],
            "environment": aws | ours,
        }
    )


def _terms(licence: License) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "unit": one.unit, "max_count": one.max_count, "value": one.value}
        for one in licence.entitlements
    ]


# -- what is asked ---------------------------------------------------------------------------------


class RequestLog:
    """A line on stderr for each request, once it is answered."""

    def __init__(self) -> None:
        # Whoever reads stderr slowly must not slow the answers down, hence a thread.
        self._answered: SimpleQueue[Request | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="meterguard-request-log", daemon=True)
        self._thread.start()

    def note(self, request: Request) -> None:
        """Write a line for this request, soon."""
        self._answered.put(request)

    def finish(self) -> None:
        """Write what is left, and end."""
        self._answered.put(None)
        self._thread.join()

    def _run(self) -> None:
        for request in iter(self._answered.get, None):
            print(line_of(request), file=sys.stderr, flush=True)


def line_of(request: Request) -> str:
    """One request. Never a token: logs get pasted."""
    at = time.strftime("%H:%M:%S", time.localtime(request.at))
    outcome = "dropped" if request.dropped else str(request.status)
    parts = [
        at,
        f"{request.operation or '?':<26}",
        f"{outcome:<7}",
        request.error or "",
        _asked(request.parameters),
    ]
    if request.replayed:
        parts.append("(replayed)")
    line = "  ".join(part for part in parts if part).rstrip()
    return "".join(character if character.isprintable() else "?" for character in line)


def _asked(parameters: Mapping[str, Any]) -> str:
    wanted = parameters.get("Entitlements")
    if not isinstance(wanted, list):
        return ""
    items = [item for item in wanted if isinstance(item, dict)]
    names = ", ".join(" ".join(str(item[key]) for key in ("Name", "Value") if key in item) for item in items)
    return f"{parameters.get('ProductSKU', '')} {names}".strip()
