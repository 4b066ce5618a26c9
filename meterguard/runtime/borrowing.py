"""Borrowing: a licence taken along for a machine that goes offline, and given back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar
from uuid import uuid4

from ..borrowed_file import BorrowedFault, BorrowedFile
from ..core import borrowed, messages
from ..core.borrowed import PRODUCT, Borrowed, Program, readable
from ..core.intents import Intent, is_open, is_pending
from ..core.requirements import Requirement
from ..core.verdicts import Rejected
from ..errors import ConfigurationError, EntitlementDenied, MeterGuardError
from ..events import LicenseBorrowed, LicenseReturned
from ..lease import Lease
from ..ports import CheckoutAnswer, Clock, FaultKind, LicenseService, ServiceFault
from ..reasons import Reason
from .clock import stopwatch
from .publisher import Publisher
from .retries import retried

T = TypeVar("T")


class Borrowing:
    """Borrows from the service into files, and returns what is in them. Every method blocks."""

    def __init__(
        self,
        service: LicenseService,
        clock: Clock,
        program: Program,
        publisher: Publisher,
        leaving: threading.Event,
        timeout: float,
    ) -> None:
        self._service = service
        self._clock = clock
        self._program = program
        self._publisher = publisher
        self._leaving = leaving
        self._timeout = timeout
        self._pending: dict[tuple[Requirement, str | None], Intent] = {}
        self._lock = threading.Lock()

    def borrow(self, file: BorrowedFile, asked: Requirement, license_arn: str | None = None) -> Lease:
        """Borrow all of a requirement into a file.

        :raises ConfigurationError: the file cannot be written or holds something else, or the set-up is wrong.
        :raises EntitlementDenied: the service does not lend it, or its answer is not believed.
        :raises EntitlementUnavailable: there was no answer; the next borrow of the same goes on with this one.
        """
        _written(file.prepare)
        for one in _written(file.read):
            self._read(file, one)
        self._service.connect()
        intent = self._intent(asked, license_arn)
        answer = self._answer(asked, license_arn, intent)
        lent = borrowed.believed(asked, answer, self._program, intent.sent(self._clock.now()))
        if isinstance(lent, str):
            self._give_up(answer.token)
            raise messages.rejected(asked, Rejected(Reason.UNTRUSTED, asked, lent))
        try:
            _written(partial(file.add, lent.signed_token))
        except ConfigurationError:
            self._give_up(answer.token)
            raise
        facts = replace(lent.facts(asked, 0), token=str(answer.token))
        lease = Lease(facts, lambda: lent.end - self._clock.now().wall)
        self._publisher.tell(LicenseBorrowed(asked, lease.expires_in))
        return lease

    def _intent(self, asked: Requirement, license_arn: str | None) -> Intent:
        """Take up an intent whose call got no answer, else begin one."""
        now = self._clock.now()
        with self._lock:
            known = self._pending.pop((asked, license_arn), None)
        return known if known is not None and is_pending(known, now) else Intent(uuid4().hex, born=now)

    def _answer(self, asked: Requirement, license_arn: str | None, intent: Intent) -> CheckoutAnswer:
        until, metadata = stopwatch() + self._timeout, {PRODUCT: self._program.product_sku}
        try:
            send = partial(self._service.borrow, asked, license_arn, intent.client_token, metadata)
            return retried(send, until, self._leaving)
        except ServiceFault as fault:
            if is_open(intent, fault.kind):
                with self._lock:
                    self._pending[asked, license_arn] = intent.unanswered(intent.born, may_have_acted=True)
            raise messages.not_borrowed(asked, fault) from None

    def _give_up(self, token: str) -> None:
        with contextlib.suppress(ServiceFault):  # then it ends by itself
            self._service.check_in(token)

    def give_back(self, file: BorrowedFile) -> list[Requirement]:
        """Return all licences in a file that can be; what was returned is taken out of it. Returns what they covered.

        :raises ConfigurationError: there is none, or the file cannot be read or written.
        :raises EntitlementDenied: the service does not take one back.
        :raises EntitlementUnavailable: there was no answer.
        """
        tokens = _written(file.read)
        if not tokens:
            raise ConfigurationError(f"nothing is borrowed: there is no {file.describe()}, or nothing is in it")
        _written(file.prepare)
        returned, denials = [], []
        for one in tokens:
            covered, token = self._read(file, one)
            try:
                self._return(covered, token)
            except EntitlementDenied as denial:  # of this licence; another may allow it
                denials.append(denial)
                continue
            _written(partial(file.remove, one))
            self._publisher.tell(LicenseReturned(covered))
            returned.append(covered)
        if denials:
            raise denials[0]
        return returned

    def _read(self, file: BorrowedFile, signed_token: str) -> tuple[Requirement, str]:
        """Return what a signed token in a file covers, and its consumption token. Nothing is verified."""
        claims = self._service.unproved(signed_token)
        if claims is None or claims.token is None:
            where = file.describe()
            raise ConfigurationError(
                f"{where} holds something else than borrowed licences: name another file, or take that one away"
            )
        return readable(claims.allowed), claims.token

    def _return(self, covered: Requirement, token: str) -> None:
        self._service.connect()
        try:
            retried(partial(self._service.check_in, token), stopwatch() + self._timeout, self._leaving)
        except ServiceFault as fault:
            if fault.kind is not FaultKind.NOT_FOUND:  # it has ended
                raise messages.not_taken_back(covered, fault) from None

    def renew(self, file: BorrowedFile, old: Borrowed) -> Lease:
        """Borrow the same once more, and return the old one then, if the licence allows that. Raises as ``borrow``."""
        lease = self.borrow(file, old.entitlements, old.claims.license_arn)
        with contextlib.suppress(MeterGuardError):
            self._return(old.entitlements, old.claims.token or "")
            _written(partial(file.remove, old.signed_token))
            self._publisher.tell(LicenseReturned(old.entitlements))
        return lease


def _written(act: Callable[[], T]) -> T:
    try:
        return act()
    except BorrowedFault as fault:
        raise ConfigurationError(str(fault)) from None
