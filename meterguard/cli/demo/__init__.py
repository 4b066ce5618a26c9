"""The demonstration: a story in scenes, each of which checks its own claims.

What belongs here:

1. A scene does something and claims what has to come of it; it prints nothing. Scenes play on a `stage`.
2. `player` turns scenes into `records`; a failed claim, or a scene that breaks off, is a record too.
3. `plain`, `live` and `document` show records and know no scene. rich is imported by `live` alone.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .records import Show

__all__ = ("run",)


def run(style: Literal["auto", "plain", "json"]) -> bool:
    """Play the demonstration to stdout; return True when every claim held."""
    from .player import play
    from .records import Finale

    show = _show(style)
    for record in show.watch(play()):
        if isinstance(record, Finale):
            return record.holds
    return False


def _show(style: str) -> Show:
    if style == "json":
        from .document import Document

        return Document()
    if style == "auto" and _is_lively():
        try:
            from .live import Live
        except ModuleNotFoundError:  # rich makes it prettier, not possible
            pass
        else:
            return Live()
    from .plain import Plain

    return Plain()


def _is_lively() -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb":
        return False
    return sys.stdout.isatty() and sys.stdout.encoding.lower().startswith("utf")
