"""Switches for behaviour that AWS does not document. The defaults are the safest reading."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ..protocol.errors import WrongValue
from ..protocol.redaction import shown

__all__ = ("Behavior",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behavior:
    """The behaviour of this service where its documentation is silent.

    All times are in seconds. A switch whose name ends in ``_error`` is the code of the error that is answered.

    Raises:
        ConfigurationError: A switch has a value that it does not know.
    """

    replay_window: float = 600
    """The time for which a ``ClientToken`` is remembered; for ``CreateToken`` it is always the documented 600."""

    replay_mismatch_error: str = "InvalidParameterValueException"
    """The error for a ``ClientToken`` that is sent again with other parameters."""

    extend_from: Literal["now", "expiration"] = "now"
    """The moment from which an extension is counted."""

    extend_cap: float | None = None
    """The time after its issue for which a checkout can be kept by extensions. None: without limit."""

    dry_run: Literal["unchanged", "as_if", "empty"] = "unchanged"
    """The answer to a ``DryRun``: the expiration as it is, as it would be, or nothing. It never extends."""

    cut_at_end: bool = True
    """True if a checkout ends with its licence, if that is before its own time is over."""

    token_bound_to_region: bool = False
    """True if a checkout can be extended and returned only in the Region that it was made in."""

    token_bound_to_account: bool = True
    """True if a checkout can be extended and returned only by the account that made it."""

    node_keeps_seat: bool = False
    """True if a checkout that repeats one which its ``NodeId`` holds is that one with a new lifetime, and takes no
    further units. If not, a ``NodeId`` is only echoed."""

    sign_checkouts: bool = False
    """True if ``CheckoutLicense`` answers a ``SignedToken`` as ``CheckoutBorrowLicense`` does."""

    not_provisional_error: str = "InvalidParameterValueException"
    """The error for a provisional checkout of a licence without a provisional configuration."""

    unfit_type_error: str | None = None
    """The error for a perpetual checkout of units that can be returned, or a provisional one of units that cannot.
    None: both are given."""

    perpetual_feature_error: str | None = None
    """The error for a perpetual checkout of a feature (unit None). None: it is like a provisional one."""

    lost_error: str = "ResourceNotFoundException"
    """The error for extending a checkout that has lapsed, was returned, or is of a licence that is not available."""

    check_in_refused_error: str = "InvalidParameterValueException"
    """The error for returning units that cannot be: ``AllowCheckIn`` is false, or the checkout is perpetual."""

    check_in_gone_error: str = "ResourceNotFoundException"
    """The error for returning a checkout that has lapsed or was returned already."""

    check_in_by_default: bool = False
    """True if an entitlement that does not say ``AllowCheckIn`` can be returned."""

    units_return_after: float = 0
    """The time from a check-in until its units are free again. Until then they count as in use."""

    unknown_sku_error: str = "ResourceNotFoundException"
    """The error for checking out where no licence has this SKU and fingerprint."""

    unusable_license_error: str = "NoEntitlementsAllowedException"
    """The error for checking out a licence that has not begun, has ended, or is suspended or deactivated."""

    pending_license_error: str = "ResourceNotFoundException"
    """The error for checking out a licence that is still being created."""

    propagation: float = 0
    """The time until a licence that ``CreateLicense`` made is usable."""

    any_version_status: bool = False
    """True if ``CreateLicenseVersion`` takes statuses that only the service gives: EXPIRED, DELETED and the like."""

    deleted_license_error: str = "ConflictException"
    """The error for making a new version of a deleted licence."""

    reset_ends_checkouts: bool = False
    """True if ``ResetUsage`` also ends the checkouts that are held. If not, it gives back spent units only."""

    version_ends_checkouts: bool = False
    """True if a new version of a licence ends its checkouts. If not, they are kept and can be extended."""

    missing_beneficiary_error: str = "InvalidParameterValueException"
    """The error for checking out one's own licence without naming the beneficiary."""

    partial_results: bool = True
    """True if a checkout may leave out items that it cannot give. If not, one missing item refuses all."""

    reduce_value: bool = False
    """True if an item for which too few units are left is cut down instead of left out."""

    bad_item_error: str = "ValidationException"
    """The error for asking for units that are not a positive whole number, or for one name twice."""

    zero_units: bool = False
    """True if 0 units of a counted entitlement may be asked for."""

    duplicate_names: Literal["refuse", "sum"] = "refuse"
    """The fate of a request that names an entitlement twice."""

    feature_value: Literal["ignore", "refuse"] = "ignore"
    """The fate of a ``Value`` asked of a feature (unit None) that is not a whole number."""

    feature_value_in_answer: bool = True
    """True if the answer for a feature carries the licence's own ``Value``."""

    grant_propagation: float = 0
    """The time until a grant that ``CreateGrant`` made can be accepted."""

    grant_to_oneself: bool = False
    """True if an account may grant a licence to itself."""

    grant_away_from_home: bool = False
    """True if a grant may have another home Region than its licence."""

    granter_may_activate: bool = False
    """True if a granter may activate a grant for an account outside of the organizations that it manages."""

    grants_per_license: int = 2000
    """The number of grants that a licence can have."""

    grant_state_error: str = "InvalidParameterValueException"
    """The error for accepting, rejecting, activating or deleting a grant that is not in a state for it."""

    not_granted_error: str = "AuthorizationException"
    """The error for an operation that the grant does not allow, or that is for the other side of it."""

    no_organization_error: str = "AccessDeniedException"
    """The error for asking for an organization's licences or grants from an account that manages none."""

    borrow_only_at_home: bool = True
    """True if ``CheckoutBorrowLicense`` is redirected to the licence's home Region."""

    checkout_only_at_home: bool = False
    """True if ``CheckoutLicense`` is redirected to the licence's home Region."""

    not_borrowable_error: str = "NoEntitlementsAllowedException"
    """The error for borrowing from a licence without a borrow configuration."""

    no_sign_key_error: str = "UnsupportedDigitalSignatureMethodException"
    """The error for borrowing from a licence whose issuer named no key to sign with."""

    borrow_partly_error: str = "EntitlementNotAllowedException"
    """The error for borrowing where some of what is asked can be given, and some not."""

    no_access_error: str = "AuthorizationException"
    """The error for a refresh token that is unknown, deleted or over, or that lacks the properties asked for."""

    metering_ahead: float = 1
    """The time by which a timestamp of usage may be ahead of the clock."""

    metering_replay_window: float = 86_400
    """The time for which a ``ClientToken`` of ``MeterUsage`` is remembered."""

    registration_token_ttl: float = 14_400
    """The time for which ``ResolveCustomer`` knows a registration token."""

    renewal_resets_spent: bool = True
    """True if the spent units of a licence that renews come back at the start of each week or month."""

    smithy_statuses: bool = False
    """True: HTTP statuses of the Smithy model (429, 308, ...) instead of the API reference's (400)."""

    @classmethod
    def names(cls) -> frozenset[str]:
        """Return the names of all switches."""
        return frozenset(field.name for field in fields(cls))

    def __post_init__(self) -> None:
        for name, hint in _hints().items():
            value = getattr(self, name)
            if not _fits(value, hint):
                raise WrongValue(f"{name}: {shown(value)} is not one of its values, {_described(hint)}")


@cache
def _hints() -> dict[str, Any]:
    return get_type_hints(Behavior)


def _fits(value: object, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if isinstance(hint, UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if hint in (int, float):
        return type(value) in (int, hint) and value >= 0  # type: ignore[operator]
    return type(value) is hint and value != ""


def _described(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    if isinstance(hint, UnionType):
        return " or ".join(map(_described, get_args(hint)))
    words = {bool: "True or False", str: "the code of an error", int: "a whole number, at least 0"}
    return words.get(hint, "None" if hint is type(None) else "a number, at least 0")
