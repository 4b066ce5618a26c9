"""Extras that a command needs."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import MissingExtra


def need_emulator() -> None:
    """Raise MissingExtra, which names the extra, where the emulator cannot serve."""
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise MissingExtra("the emulator", "emulator")
