"""Access: who calls, and what the caller may do, by signatures and policies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ..admin.journal import Request
from ..protocol.errors import ServiceError
from ..protocol.messages import Caller, RawHeaders
from ..protocol.policies import Authorize
from ..protocol.sigv4 import Verify
from ..state.sessions import Sessions
from .services import Service

__all__ = ("Access",)

_TWELVE_DIGITS: Final = re.compile(r"\d{12}")
_CREDENTIAL: Final = re.compile(r"Credential=([^/,\s]+)/[^/,\s]*/([^/,\s]+)/")


class Access:
    """The checks of callers.

    Args:
        accounts: The accounts of access keys.
        account_id: The account of those that have none and are not twelve digits.
        region: The Region of requests that are not signed.
        sessions: The temporary credentials that were handed out.
        verify: The check of signatures; None: every signature is taken.
        authorize: The check of permissions; None: everybody may do all.
    """

    def __init__(
        self,
        accounts: Mapping[str, str],
        account_id: str,
        region: str,
        sessions: Sessions,
        verify: Verify | None = None,
        authorize: Authorize | None = None,
    ) -> None:
        self._accounts = accounts
        self._account_id = account_id
        self._region = region
        self._sessions = sessions
        self._verify = verify
        self._authorize = authorize

    def caller(self, authorization: str) -> Caller:
        """Return who calls, by the header ``Authorization``."""
        found = _CREDENTIAL.search(authorization)
        if found is None:
            return Caller(self._account_id, self._region)
        session = self._sessions.find(found[1])
        if session is not None:
            return Caller(session.account, found[2], found[1], session.arn)
        return Caller(self._account_of(found[1]), found[2], found[1])

    def check_current(self, caller: Caller, now: float) -> None:
        """Refuse temporary credentials that have ended, whether signatures are checked or not."""
        session = self._sessions.find(caller.access_key)
        if session is not None and now >= session.expires:
            raise ServiceError("ExpiredTokenException", "The security token included in the request is expired")

    def check_signature(self, service: Service, operation: str, headers: RawHeaders, body: bytes, now: float) -> None:
        """Refuse a request that is not signed as it should be."""
        if self._verify is not None:
            self._verify(service.signing_name, operation, headers, body, now)

    def check_permission(self, service: Service, request: Request) -> None:
        """Refuse an operation that the caller may not do."""
        if self._authorize is None:
            return
        try:
            self._authorize(request.caller, service.signing_name, request.operation, request.parameters)
        except ServiceError as error:
            if service.no_dry_run is None or request.parameters.get("DryRun") is not True:
                raise
            raise ServiceError(service.no_dry_run, error.message) from None

    def _account_of(self, access_key: str) -> str:
        if access_key in self._accounts:
            return self._accounts[access_key]
        return access_key if _TWELVE_DIGITS.fullmatch(access_key) else self._account_id
