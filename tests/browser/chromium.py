"""The Chromium of this machine, driven by Playwright. Nothing is downloaded."""

from __future__ import annotations

import contextlib
import shutil

from playwright.sync_api import sync_playwright

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
    """The path of the browser, None where the machine has none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def running():
    """A headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        yield browser
        browser.close()
