"""What must be a type error of draws and meters, by checker and rule; as in `misuses`."""

# mypy: enable-error-code=deprecated
# pyright: reportDeprecated=error

from __future__ import annotations

from meterguard import MeterGuard, consumes_entitlement, meters_usage, requires_entitlement

guard = MeterGuard("ACME-1")
seat = requires_entitlement("Seats", 1)
pages = consumes_entitlement("Pages", 1)
degrading = consumes_entitlement("Pages", 1, default=None)
requests = meters_usage("Requests")

# -- declaring ---------------------------------------------------------------------------------------------

consumes_entitlement("Pages")  # expect mypy[call-overload] pyright[reportCallIssue]
consumes_entitlement("Pages", None)  # expect mypy[call-overload] pyright[reportArgumentType]
consumes_entitlement("Pages", 1.5)  # expect mypy[call-overload] pyright[reportArgumentType]
consumes_entitlement("Pages", 1, hold="call")  # expect mypy[call-overload] pyright[reportCallIssue]
consumes_entitlement("Pages", 1, wait=5)  # expect mypy[call-overload] pyright[reportCallIssue]
consumes_entitlement("Pages", 1, block="10")  # expect mypy[call-overload] pyright[reportArgumentType]
consumes_entitlement("Pages", 1, subject=7)  # expect mypy[call-overload] pyright[reportArgumentType]
consumes_entitlement("Pages", 1, charge_on_error="yes")  # expect mypy[call-overload] pyright[reportArgumentType]
guard.consumes_entitlement("Pages", 1, pass_lease="lease")  # expect mypy[call-overload] pyright[reportCallIssue]
meters_usage("Requests", 1.5)  # expect mypy[arg-type] pyright[reportArgumentType]
meters_usage("Requests", 1, default=None)  # expect mypy[call-arg] pyright[reportCallIssue]
meters_usage("Requests", 1, block=10)  # expect mypy[call-arg] pyright[reportCallIssue]
guard.meters_usage(1)  # expect mypy[arg-type] pyright[reportArgumentType]

# -- decorating --------------------------------------------------------------------------------------------


@pages  # expect pyright[reportDeprecated]
class Drawn:  # expect mypy[deprecated]
    pass


@requests
def plain(a: int) -> str:
    return str(a)


@degrading
def degraded(a: int) -> str:
    return str(a)


pages(5)  # expect mypy[call-overload] pyright[reportArgumentType,reportCallIssue]
plain("1")  # expect mypy[arg-type] pyright[reportArgumentType]
degraded(1).upper()  # expect mypy[union-attr] pyright[reportOptionalMemberAccess]

# -- blocks and algebra ------------------------------------------------------------------------------------

tokens = consumes_entitlement("Tokens", 1)
with pages as charge:
    charge.settle("3")  # expect mypy[arg-type] pyright[reportArgumentType]
    charge["Pages"].settle(3)  # expect mypy[index] pyright[reportIndexIssue]
with pages & tokens as charges:
    charges["Pages"].settle(1.5)  # expect mypy[arg-type] pyright[reportArgumentType]
with degrading:  # expect mypy[attr-defined] pyright[reportGeneralTypeIssues]
    pass
_ = seat & pages  # expect mypy[operator] pyright[reportOperatorIssue]
_ = pages & seat  # expect mypy[operator] pyright[reportOperatorIssue]
_ = pages | 1  # expect mypy[operator] pyright[reportOperatorIssue]
