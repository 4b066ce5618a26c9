"""What must be a type error, by checker and rule. A decorator that has become ``Any`` shows none of these.

``# mypy: ...`` would be read by mypy, hence ``# expect``. A class that is decorated is reported as a deprecated
use, which mypy and pyright report when asked to, as here.
"""

# mypy: enable-error-code=deprecated
# pyright: reportDeprecated=error

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_type

from meterguard import Decision, Lease, MeterGuard, Reason, configure, has_entitlement, requires_entitlement

guard = MeterGuard("ACME-1")
seat = requires_entitlement("Seats", 1)
degrading = requires_entitlement("Seats", 1, default=None)

# -- declaring ---------------------------------------------------------------------------------------------

requires_entitlement()  # expect mypy[call-overload] pyright[reportCallIssue]
requires_entitlement(1)  # expect mypy[call-overload] pyright[reportArgumentType]
requires_entitlement("Seats", 1.5)  # expect mypy[call-overload] pyright[reportArgumentType]
requires_entitlement("Seats", [1])  # expect mypy[call-overload] pyright[reportArgumentType]
requires_entitlement("Seats", 1, 5)  # expect mypy[call-overload] pyright[reportArgumentType]
requires_entitlement("Seats", 1, "Count", "call")  # expect mypy[call-overload] pyright[reportCallIssue]
requires_entitlement("Seats", 1, hold="forever")  # expect mypy[call-overload] pyright[reportArgumentType]
requires_entitlement("Seats", 1, per=7)  # expect mypy[call-overload] pyright[reportArgumentType]
requires_entitlement("Seats", 1, wait="5")  # expect mypy[call-overload] pyright[reportArgumentType]
requires_entitlement("Seats", 1, fallback=5)  # expect mypy[call-overload] pyright[reportArgumentType,reportCallIssue]
requires_entitlement("Seats", 1, fallback=len, default=5)  # expect mypy[call-overload] pyright[reportCallIssue]
requires_entitlement("Seats", 1, on_unknown="raise")  # expect mypy[call-overload] pyright[reportArgumentType]
requires_entitlement("Seats", 1, pass_lease=True)  # expect mypy[call-overload] pyright[reportArgumentType]
requires_entitlement("Seats", 1, guard="ACME-1")  # expect mypy[call-overload] pyright[reportArgumentType]
requires_entitlement("Seats", 1, holds="call")  # expect mypy[call-overload] pyright[reportCallIssue]
guard.requires_entitlement("Seats", 1, hold="forever")  # expect mypy[call-overload] pyright[reportArgumentType]
guard.requires_entitlement("Seats", 1, guard=guard)  # expect mypy[call-overload] pyright[reportCallIssue]
MeterGuard(1)  # expect mypy[arg-type] pyright[reportArgumentType]
MeterGuard(grace="5 minutes")  # expect mypy[arg-type] pyright[reportArgumentType]
MeterGuard(on_unknown="raise")  # expect mypy[arg-type] pyright[reportArgumentType]
MeterGuard(session=1)  # expect mypy[arg-type] pyright[reportArgumentType]
MeterGuard(tiemout=5)  # expect mypy[call-arg] pyright[reportCallIssue]
configure(on_unknown="raise")  # expect mypy[arg-type] pyright[reportArgumentType]
guard.decide("Seats", [1])  # expect mypy[arg-type] pyright[reportArgumentType]
guard.decide("Seats", 1, 5)  # expect mypy[arg-type] pyright[reportArgumentType]
has_entitlement("Seats", 1.5)  # expect mypy[arg-type] pyright[reportArgumentType]
MeterGuard("ACME-1", "fingerprint", "me")  # expect mypy[call-arg] pyright[reportCallIssue]

# -- decorating --------------------------------------------------------------------------------------------

seat(5)  # expect mypy[call-overload] pyright[reportArgumentType,reportCallIssue]
seat("export_pdf")  # expect mypy[call-overload] pyright[reportArgumentType,reportCallIssue]
seat()  # expect mypy[call-overload] pyright[reportCallIssue]
degrading(5)  # expect mypy[call-overload] pyright[reportArgumentType,reportCallIssue]


@seat  # expect pyright[reportDeprecated]
class Guarded:  # expect mypy[deprecated]
    pass


@degrading  # expect pyright[reportDeprecated]
class Degrading:  # expect mypy[deprecated]
    pass


# -- calling -----------------------------------------------------------------------------------------------


@seat
def plain(a: int, *, b: str = "") -> str:
    return str(a) + b


@seat
async def coroutine(a: int) -> str:
    return str(a)


@seat
def generator(a: int) -> Iterator[int]:
    yield a


@degrading
def degraded(a: int) -> str:
    return str(a)


@degrading
async def degraded_coroutine(a: int) -> str:
    return str(a)


class Report:
    @seat
    def method(self, a: int) -> str:
        return str(a)

    @seat
    @classmethod
    def of_class(cls, a: int) -> str:
        return str(a)

    @staticmethod
    @seat
    def static(a: int) -> str:
        return str(a)

    @property
    @seat
    def title(self) -> str:
        return "title"


class Longer(Report):
    @seat
    def method(self, a: str) -> str:  # expect mypy[override] pyright[reportIncompatibleMethodOverride]
        return a


plain("1")  # expect mypy[arg-type] pyright[reportArgumentType]
plain(1, "b")  # expect mypy[call-arg] pyright[reportCallIssue]
plain(1, c="")  # expect mypy[call-arg] pyright[reportCallIssue]
_ = plain(1).nothing  # expect mypy[attr-defined] pyright[reportAttributeAccessIssue]
number: int = plain(1)  # expect mypy[assignment] pyright[reportAssignmentType]
coroutine("1")  # expect mypy[arg-type,unused-coroutine] pyright[reportArgumentType,reportUnusedCoroutine]
coroutine(1).upper()  # expect mypy[attr-defined] pyright[reportAttributeAccessIssue]
next(generator(1)).upper()  # expect mypy[attr-defined] pyright[reportAttributeAccessIssue]
Report().method("1")  # expect mypy[arg-type] pyright[reportArgumentType]
Report.of_class("1")  # expect mypy[arg-type] pyright[reportArgumentType]
Report.static("1")  # expect mypy[arg-type] pyright[reportArgumentType]
Report().title()  # expect mypy[operator] pyright[reportCallIssue]
degraded("1")  # expect mypy[arg-type] pyright[reportArgumentType]
degraded(1).upper()  # expect mypy[union-attr] pyright[reportOptionalMemberAccess]
assert_type(degraded(1), str)  # expect mypy[assert-type] pyright[reportAssertTypeFailure]


async def awaiting() -> None:
    (await coroutine(1)).nothing()  # expect mypy[attr-defined] pyright[reportAttributeAccessIssue]
    (await degraded_coroutine(1)).upper()  # expect mypy[union-attr] pyright[reportOptionalMemberAccess]
    await plain(1)  # expect mypy[misc] pyright[reportGeneralTypeIssues]


# -- blocks, algebra, answers ------------------------------------------------------------------------------


async def entering() -> None:
    with seat as lease:
        lease.token = "forged"  # expect mypy[misc] pyright[reportAttributeAccessIssue]
    with degrading:  # expect mypy[attr-defined] pyright[reportGeneralTypeIssues]
        pass
    async with degrading:  # expect mypy[attr-defined] pyright[reportGeneralTypeIssues]
        pass


_ = seat & None  # expect mypy[operator] pyright[reportOperatorIssue]
_ = seat | plain  # expect mypy[operator] pyright[reportOperatorIssue]
_ = seat & guard  # expect mypy[operator] pyright[reportOperatorIssue]
_ = has_entitlement("Export").lease  # expect mypy[attr-defined] pyright[reportAttributeAccessIssue]
answer: bool = guard.decide("Export")  # expect mypy[assignment] pyright[reportAssignmentType]
Decision(True, "cached")  # expect mypy[arg-type] pyright[reportArgumentType]
guard.decide("Export").allowed = True  # expect mypy[misc] pyright[reportAttributeAccessIssue]
reason: Reason = guard.decide("Export").lease  # expect mypy[assignment] pyright[reportAssignmentType]
leases: list[Lease] = guard.leases  # expect mypy[assignment] pyright[reportAssignmentType]
configure(sku="ACME-1")  # expect mypy[call-arg] pyright[reportCallIssue]
