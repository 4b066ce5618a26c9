"""``python -m meterguard``."""

from .cli import main

main()
