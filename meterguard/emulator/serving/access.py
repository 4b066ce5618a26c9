"""Access: who calls, and what the caller may do, by signatures and policies."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ..admin.journal import Request
from ..protocol.messages import Caller, RawHeaders
from ..protocol.policies import Authorize
from ..protocol.sigv4 import Verify
from .services import Service

__all__ = ("Access",)

_CREDENTIAL: Final = re.compile(r"Credential=([^/,\s]+)/[^/,\s]*/([^/,\s]+)/")


class Access:
    """The checks of callers.

    Args:
        account_of: Returns the account of an access key; of None for a request without one.
        region: The Region of requests that are not signed.
        verify: The check of signatures; None: every signature is taken.
        authorize: The check of permissions; None: everybody may do all.
    """

    def __init__(
        self,
        account_of: Callable[[str | None], str],
        region: str,
        verify: Verify | None = None,
        authorize: Authorize | None = None,
    ) -> None:
        self._account_of = account_of
        self._region = region
        self._verify = verify
        self._authorize = authorize

    def caller(self, authorization: str) -> Caller:
        """Return who calls, by the header ``Authorization``."""
        found = _CREDENTIAL.search(authorization)
        if found is None:
            return Caller(self._account_of(None), self._region)
        return Caller(self._account_of(found[1]), found[2], found[1])

    def check_signature(self, service: Service, operation: str, headers: RawHeaders, body: bytes, now: float) -> None:
        """Refuse a request that is not signed as it should be."""
        if self._verify is not None:
            self._verify(service.signing_name, operation, headers, body, now)

    def check_permission(self, request: Request) -> None:
        """Refuse an operation that the caller may not do."""
        if self._authorize is not None:
            self._authorize(request.caller, request.operation, request.parameters)
