"""The endpoint of guards that trust no environment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .. import config
from ..errors import ConfigurationError
from ..model import shortened

__all__ = ("point_at",)


@contextmanager
def point_at(url: str) -> Iterator[None]:
    """Let guards with ``trust_env=False`` ask this endpoint, for the length of a ``with`` block.

    It counts for guards that are first used in the block, and are given neither ``endpoint_url`` nor ``client``. Other
    guards follow ``AWS_ENDPOINT_URL_LICENSE_MANAGER``. The fixture ``meterguard_emulator`` does both.

    ::

        with Emulator() as lm, point_at(lm.url): ...

    :param url: for instance that of an :class:`~meterguard.emulator.Emulator`, which may answer in the process.
    """
    given: object = url
    if not isinstance(given, str) or not given.startswith(("http://", "https://")):
        raise ConfigurationError(f"url must be a URL such as http://127.0.0.1:4020; got {shortened(url)}")
    before, config.endpoint_in_tests = config.endpoint_in_tests, url
    try:
        yield
    finally:
        config.endpoint_in_tests = before
