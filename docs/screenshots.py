"""Photographs the pages that a person sees when a gate is shut: ``python -m docs.screenshots``.

It serves the site of ``tests/browser`` and looks at it with the Chromium of this machine, on light and dark screens.
Run it when `meterguard.integrations.page` has changed, and look at what came out.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.browser import chromium
from tests.browser.showing import DENIED, TAKEN, UNAVAILABLE, shown

IMAGES = Path(__file__).parent / "images"
FILES = {DENIED: "page-denied", TAKEN: "page-seats-taken", UNAVAILABLE: "page-unavailable"}
SIZE = {"width": 640, "height": 440}


def main() -> None:
    """Write all pictures."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    with shown() as site, chromium.running() as browser:
        for kind, name in FILES.items():
            with site.because(kind) as url:
                page = browser.new_page(viewport=SIZE)
                page.goto(url)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=IMAGES / f"{name}-{scheme}.png")


if __name__ == "__main__":
    main()
