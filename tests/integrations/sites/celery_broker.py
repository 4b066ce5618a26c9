"""A broker that is a folder, as kombu has one, but for its waits and for messages that were half written."""

from __future__ import annotations

import time
from pathlib import Path
from uuid import uuid4

from kombu import transport
from kombu.transport import filesystem
from kombu.utils.json import dumps


class _Channel(filesystem.Channel):
    def _put(self, queue, payload, **_):
        """Put a whole message into the folder: a worker that takes one which is still empty loses it."""
        name = f"{time.monotonic_ns()}_{uuid4()}"
        part = Path(self.data_folder_out, f"{name}.part")
        part.write_text(dumps(payload), "utf-8")
        part.rename(part.with_name(f"{name}.{queue}.msg"))


class Transport(filesystem.Transport):
    """What ``folder://`` stands for."""

    Channel = _Channel

    def drain_events(self, connection, timeout=None):
        """Wait in short turns, for a worker looks between two of them whether it is to stop."""
        super().drain_events(connection, timeout and min(timeout, 0.1))


URL = "folder://"
transport.TRANSPORT_ALIASES["folder"] = f"{__name__}:Transport"
