"""The service of examples/document_service.py, with documents to whose names something happens."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import document_service

app = document_service.app
laid_out = document_service.layout


def layout(document):
    first_time = Path(f"{document['name']}.began")
    match document["name"].partition("-")[0]:
        case "torn":
            raise ValueError("it cannot be read")
        case "jammed" if not first_time.exists():
            first_time.touch()
            raise OSError("the printer burns")
        case "doomed" if not first_time.exists():
            first_time.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return laid_out(document)


document_service.layout = layout
