"""Event loops: the async side needs asyncio."""

from __future__ import annotations

import sys

from ..errors import ConfigurationError


def require_asyncio() -> None:
    """Check that a loop of asyncio runs here.

    :raises ConfigurationError: none does; another library's loop may.
    """
    asyncio = sys.modules.get("asyncio")
    try:
        if asyncio is not None:
            asyncio.get_running_loop()
            return
    except RuntimeError:
        pass
    other = _other_library()
    running = f"{other} runs here" if other else "none runs here"
    thread = f", in {other} in a thread (trio.to_thread.run_sync)" if other == "trio" else ""
    raise ConfigurationError(
        f"meterguard awaits on loops of asyncio, and {running}: run the code under asyncio, or call a plain function "
        f"that is guarded{thread}"
    )


def _other_library() -> str | None:
    """Return the name of the async library that runs here, as far as the modules imported already can tell."""
    sniffio = sys.modules.get("sniffio")
    if sniffio is None:
        return None
    try:
        return str(sniffio.current_async_library())
    except sniffio.AsyncLibraryNotFoundError:
        return None
