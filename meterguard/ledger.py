"""The ledger as people read it: balances, records of usage, forecasts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import cast, get_args

from .core.balances import Book, books, compared
from .core.forecast import LOOK_BACK, forecasts
from .core.usage_records import Bucket, recorded
from .errors import ConfigurationError, EntitlementUnavailable
from .model import shortened
from .ports import Ledger, LedgerFault, Usage
from .usage import Balance, Comparison, Forecast, UsageLine, UsageRecord

BUCKETS: tuple[str, ...] = get_args(Bucket)
PARTS = ("entitlement", "subject")


def nothing_to_settle() -> Mapping[str, int]:
    """Return that this process holds no units."""
    return {}


class LedgerReport:
    """Reads a ledger: what was drawn, what became of it, who used how much and when.

    Every method asks the ledger anew, and first has this process write down what it has not written yet.

    :param scope: the licence to report on; None: all that the ledger keeps.
    :param settle: writes down what this process has not written yet, and returns by account's key how many of the
        units that it holds are in no call's hands.
    """

    def __init__(
        self,
        ledger: Ledger,
        scope: str | None = None,
        settle: Callable[[], Mapping[str, int]] = nothing_to_settle,
    ) -> None:
        self._ledger = ledger
        self._scope = scope
        self._settle = settle

    def summary(self) -> dict[str, Balance]:
        """Return the balance of each drawn entitlement, by its name. Meters draw nothing and have none.

        The same entitlement of several licences is added up; one that is counted in a second unit stands there
        as ``"Pages (Seconds)"``.

        :raises EntitlementUnavailable: the ledger cannot be read now.
        :raises ConfigurationError: somebody has to look after the ledger.
        """
        return {title: book.balance for title, book in self._books().items()}

    def records(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        by: Collection[str] = ("entitlement",),
        bucket: str = "hour",
    ) -> list[UsageRecord]:
        """Return what was used, of draws and of meters, sorted by start, entitlement and subject.

        :param since: the earliest start of an hour that counts; aware. Old hours that were put together to days
            count by the start of their day (UTC), and stay days under ``bucket="hour"``.
        :param until: the moment before which an hour has to start; aware.
        :param by: ``"entitlement"``, ``"subject"`` or both. Entitlements and their units are always told apart, for
            their sum would mean nothing; without ``"subject"`` the subject of every record is None.
        :param bucket: ``"hour"``, ``"day"`` or ``"month"``, of UTC.
        :raises ConfigurationError: an argument is wrong, or somebody has to look after the ledger.
        :raises EntitlementUnavailable: the ledger cannot be read now.
        """
        begin, end = _moment("since", since), _moment("until", until)
        parts = _parts(by)
        if bucket not in BUCKETS:
            raise ConfigurationError(f"bucket must be 'hour', 'day' or 'month'; got {shortened(bucket)}")
        with _told():
            self._settle()
            lines = self._lines(begin, end)
        return recorded(lines, cast(Bucket, bucket), by_subject="subject" in parts)

    def forecast(self, now: datetime, licensed: Iterable[Usage] = ()) -> dict[str, Forecast]:
        """Return how fast each drawn entitlement was used in the last seven days, and when it will run out.

        :param now: the moment of the forecast; aware.
        :param licensed: what ``GetLicenseUsage`` says, without which nothing is known of the licence's end.
        """
        moment = _moment("now", now)
        if moment is None:
            raise ConfigurationError("now must be an aware datetime; got None")
        found = self._books()
        with _told():
            lines = self._lines(moment - LOOK_BACK, moment)
        return forecasts(found, lines, licensed, now)

    def reconcile(self, licensed: Iterable[Usage]) -> list[Comparison]:
        """Compare what was drawn of each entitlement with what ``GetLicenseUsage`` says is consumed."""
        return compared(self._books(), licensed)

    def scopes(self) -> list[str]:
        """Return the scopes of which the ledger keeps anything that this report covers, sorted."""
        with _told():
            self._settle()
            accounts = (account.scope for account in self._ledger.accounts() if self._covers(account.scope))
            return sorted({*accounts, *(line.key.scope for line in self._lines(None, None))})

    def of_scope(self, scope: str) -> LedgerReport:
        """Return a report on one scope alone."""
        return LedgerReport(self._ledger, scope, self._settle)

    def __repr__(self) -> str:
        return f"<LedgerReport of {'one licence' if self._scope else 'all licences'}>"

    def _books(self) -> dict[str, Book]:
        with _told():
            free = self._settle()  # first, for what it writes has to stand in the accounts
            return books([one for one in self._ledger.accounts() if self._covers(one.scope)], free)

    def _lines(self, begin: float | None, end: float | None) -> list[UsageLine]:
        lines = self._ledger.usage(begin, end)
        return [line for line in lines if self._covers(line.key.scope)]

    def _covers(self, scope: str) -> bool:
        return self._scope is None or scope == self._scope


def open_report(url: str) -> LedgerReport:
    """Return a report on all that the ledger at this URL keeps. Makes no file.

    :raises ConfigurationError: there is no such ledger, or no other process could read it.
    """
    from . import assembly

    return LedgerReport(assembly.existing_ledger(url))


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except LedgerFault as fault:
        raise EntitlementUnavailable(str(fault)) from None


def _moment(name: str, value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise ConfigurationError(
            f"{name} must be an aware datetime, such as datetime.now(UTC), or None; got {shortened(value)}"
        )
    return value.timestamp()


def _parts(by: object) -> set[str]:
    if not isinstance(by, Collection) or isinstance(by, str) or not all(part in PARTS for part in by):
        raise ConfigurationError(
            f'by must be ("entitlement",), ("subject",) or ("entitlement", "subject"); got {shortened(by)}'
        )
    return {*by}
