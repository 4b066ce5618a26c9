"""Trust: where settings come from, who is believed, and by which credentials AWS is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from ..config import Settings
from ..ports import Origin, ServiceFault
from .findings import Finding

NEW_TOKEN = "ask the vendor for a new refresh token"  # noqa: S105 - advice


def options(settings: Settings) -> Finding:
    """Tell where each option comes from."""
    said = [f"{name} from {origin}" for name, origin in settings.origins.items() if origin != "default"]
    others = [name for name, origin in settings.origins.items() if origin == "default"]
    return Finding("options", "ok", f"{', '.join(said)}; by default: {', '.join(others)}")


def trust(settings: Settings) -> Finding:
    """Tell who decides which server is asked, and whether its answers are verified."""
    keys = settings.trusted_keys
    signed = f"signed answers are verified with {len(keys)} trusted keys" if keys else "answers are not verified"
    if not settings.trust_env:
        return Finding("trust", "ok", f"the environment names no server, proxy or certificates; {signed}")
    if keys:
        return Finding("trust", "ok", f"the environment may name the server that is asked; {signed}")
    return Finding(
        "trust",
        "ok",
        "whoever sets the environment of this process decides which server is asked",
        "where that is not you, pass trusted_keys= or trust_env=False in the program"
        if settings.customer is None
        else "where that is not you, pass trust_env=False in the program",
    )


def origins(facts: Iterable[Origin]) -> Iterator[Finding]:
    """Tell where each part of the connection comes from."""
    for one in facts:
        yield Finding(one.fact, "ok", f"{one.value}; this comes from {one.source}")


def token(settings: Settings) -> Iterator[Finding]:
    """Check the refresh token, where one is used."""
    from .. import assembly

    found = assembly.refresh_token(settings)
    if found is None:
        return
    yield _end(found.ends)
    if found.is_open_to_others:
        yield Finding(
            "token-file",
            "failed",
            f"other users of this machine can read {found.place}: whoever has the refresh token can use the licence",
            "take the rights of others away (chmod 600; on Kubernetes defaultMode: 0400)",
        )


def _end(ends: Callable[[], datetime | None]) -> Finding:
    try:
        end = ends()
    except ServiceFault as problem:
        return Finding("refresh-token", "failed", str(problem))
    if end is None:
        return Finding("refresh-token", "ok", "it does not say when it ends")
    if end.timestamp() <= time.time():
        return Finding("refresh-token", "failed", f"it ended on {end:%Y-%m-%d %H:%M} UTC", NEW_TOKEN)
    return Finding("refresh-token", "ok", f"it ends on {end:%Y-%m-%d %H:%M} UTC")
