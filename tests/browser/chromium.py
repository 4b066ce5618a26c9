"""A Chromium, driven by Playwright: the one that npm brought into ``.venv/clients``, else that of this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

PACKED = Path(__file__).parents[2] / ".venv" / "clients" / "chromium"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# No sandbox, for containers run as root and have none to give; and no errand of its own to another host.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def executable():
    """Return the path of the browser, None where there is neither."""
    return next(filter(None, map(shutil.which, [str(PACKED / "chromium"), *NAMES])), None)


def environment():
    """Return the environment of the browser: the packed one has libraries and a font that a machine may lack."""
    own = {"LD_LIBRARY_PATH": str(PACKED / "al2023" / "lib")}
    if not Path("/etc/fonts").exists():
        own["FONTCONFIG_PATH"] = str(PACKED / "fonts")
    return os.environ | own if executable() == str(PACKED / "chromium") else None


@contextlib.contextmanager
def running():
    """Yield a headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS, env=environment())
        yield browser
        browser.close()
