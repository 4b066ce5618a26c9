"""OpenFeature: a provider whose flags are the entitlements of a licence."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent, ProviderEventDetails
from openfeature.exception import ErrorCode, GeneralError, ProviderFatalError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagType, FlagValueType
from openfeature.hook import Hook
from openfeature.provider import AbstractProvider, Metadata, ProviderStatus
from openfeature.track import TrackingEventDetails

from ...decision import Decision
from ...default import get_guard
from ...errors import ConfigurationError
from ...events import (
    EntitlementRefused,
    Event,
    GraceEnded,
    GraceEntered,
    LeaseCheckedOut,
    LeaseRenewed,
    ServiceUnavailable,
)
from ...guard import MeterGuard
from ...model import Entitlement
from ...reasons import Reason
from ..features import Features
from ..settings import check
from . import flags as declarations
from .details import ERRORS, details, error, mismatch
from .flags import Flags

__all__ = ("EntitlementProvider",)

_log = logging.getLogger("meterguard.integrations")

V = TypeVar("V")
Structure = Sequence[FlagValueType] | Mapping[str, FlagValueType]
Context = EvaluationContext | None
OnTrack = Callable[[str, Context, TrackingEventDetails | None], object]

START = 8.0  # seconds initialisation may take, also where a call may take longer

_EVENTS = {
    ProviderStatus.READY: ProviderEvent.PROVIDER_READY,
    ProviderStatus.STALE: ProviderEvent.PROVIDER_STALE,
    ProviderStatus.ERROR: ProviderEvent.PROVIDER_ERROR,
}


class EntitlementProvider(AbstractProvider):
    """Feature flags that follow a licence.

    ::

        api.set_provider_and_wait(EntitlementProvider(flags={"export": ("Export",), "team": ("Seats", 5, "Count")}))
        api.get_client().get_boolean_value("export", False)

    A boolean says whether the licence covers the entitlement; an integer how many units are allowed, 0 when denied; a
    string the text that a feature carries, ``""`` when denied. Evaluating leaves no unit taken. All features are
    answered from one lease; units are checked out and in at once, and a yes is remembered for ``recheck`` seconds.

    :param guard: the guard to ask; None: the default one, as it is when it is needed. It stays open at shutdown.
    :param flags: what each key stands for: an :class:`~meterguard.Entitlement`, or name, value and unit. None: a key
        is the name of a feature, and each is asked for by itself.
    :param recheck: seconds, or a ``timedelta``, for which a yes for counted units is remembered.
    :param hooks: hooks of the provider.
    :param on_track: called with the arguments of each ``track``: the event's name, the context, the details.
    :raises ConfigurationError: an argument is wrong.
    """

    def __init__(
        self,
        guard: MeterGuard | None = None,
        flags: Flags | None = None,
        *,
        recheck: float | timedelta = 30.0,
        hooks: Iterable[Hook] = (),
        on_track: OnTrack | None = None,
    ) -> None:
        super().__init__()
        if guard is not None and not isinstance(guard, MeterGuard):
            raise ConfigurationError(f"guard must be a MeterGuard; got a {type(guard).__name__}. Flags go to flags=")
        self._given = guard
        self._flags = declarations.entitlements(flags)
        self._recheck = declarations.seconds(recheck)
        is_list = isinstance(hooks, Iterable)
        self._hooks = list(hooks) if is_list else []
        check("hooks", hooks, is_list and all(isinstance(one, Hook) for one in self._hooks), "hooks of OpenFeature")
        check("on_track", on_track, on_track is None or callable(on_track), "a function")
        self._on_track = on_track
        self._lock = threading.Lock()
        self._status = ProviderStatus.NOT_READY
        self._followed: MeterGuard | None = None
        self._features: Features | None = None
        self._unsubscribe: Callable[[], object] = bool

    # -- life ------------------------------------------------------------------------------------

    def get_metadata(self) -> Metadata:
        """Return the name by which evaluations are reported."""
        return Metadata("meterguard")

    def get_provider_hooks(self) -> list[Hook]:
        """Return the hooks that it was given."""
        return self._hooks

    def initialize(self, evaluation_context: EvaluationContext) -> None:
        """Ask for all features at once, or where there are none for the first of what is counted.

        :raises ProviderFatalError: the set-up is wrong.
        :raises GeneralError: no answer came, or it was refused. Evaluations ask anew.
        """
        status = ProviderStatus.ERROR
        try:
            self._first_look()
            status = ProviderStatus.READY
        except ConfigurationError as mistake:
            raise ProviderFatalError(str(mistake)) from None
        finally:
            self._status = status

    def shutdown(self) -> None:
        """Listen to the guard no longer. What it holds, it gives back when it is closed or the process ends."""
        self._status = ProviderStatus.NOT_READY
        self._unsubscribe()
        self._unsubscribe, self._followed, self._features = bool, None, None

    def _first_look(self) -> None:
        in_charge = self._in_charge()
        if self._flags is None:
            self._given_or_default().prewarm()
            return
        declared = dict.fromkeys(self._flags.values())
        features = [one for one in declared if not one.is_counted]
        until = time.monotonic() + START
        for one in features or list(declared)[:1]:
            decision = in_charge.ask(one, round(max(0.1, until - time.monotonic()), 1))
            is_unknown = decision.reason in (Reason.UNAVAILABLE, Reason.ALLOWED_UNKNOWN)
            if is_unknown and in_charge.borrowed(tuple(declared)):
                continue  # a machine without a network, which has what was borrowed for it
            if is_unknown or decision.reason in ERRORS:
                raise GeneralError(decision.detail)

    def _given_or_default(self) -> MeterGuard:
        return get_guard() if self._given is None else self._given

    def _in_charge(self) -> Features:
        """Return the features of the licence of the guard in charge, which hardly ever changes."""
        guard = self._given_or_default()
        features = self._features
        if features is None or guard is not self._followed:
            self._unsubscribe()
            declared = () if self._flags is None else self._flags.values()
            features = self._features = Features(guard, declared, self._recheck, self._changed)
            self._followed, self._unsubscribe = guard, guard.subscribe(self._heard)
        return features

    # -- events ----------------------------------------------------------------------------------

    def _heard(self, event: Event) -> None:
        """Take note of an event of the guard."""
        match event:
            case ServiceUnavailable() if self._status is ProviderStatus.READY:
                self._move(ProviderStatus.STALE, "License Manager gives no answer")
            case GraceEntered():
                self._move(ProviderStatus.STALE, "answers are of before the outage")
            case EntitlementRefused(reason=Reason.REFUSED | Reason.UNTRUSTED) | GraceEnded(recovered=False):
                self._move(ProviderStatus.ERROR, str(event))
            case LeaseCheckedOut() | LeaseRenewed() | GraceEnded() | EntitlementRefused():
                self._move(ProviderStatus.READY, "License Manager answers")

    def _move(self, status: ProviderStatus, why: str) -> None:
        # a forked child may find it taken by a thread that it does not have
        is_mine = self._lock.acquire(timeout=1)
        try:
            if self._status not in (status, ProviderStatus.NOT_READY):
                self._status = status
                code = ErrorCode.GENERAL if status is ProviderStatus.ERROR else None
                self.emit(_EVENTS[status], ProviderEventDetails(message=why, error_code=code))
        finally:
            if is_mine:
                self._lock.release()

    def _changed(self, entitlements: list[Entitlement]) -> None:
        if self._flags is None:
            keys = [one.name for one in entitlements]
        else:
            keys = [key for key, one in self._flags.items() if one in entitlements]
        self.emit_provider_configuration_changed(ProviderEventDetails(flags_changed=keys))

    # -- evaluating ------------------------------------------------------------------------------

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: Context = None
    ) -> FlagResolutionDetails[bool]:
        """Resolve a boolean flag: true when the licence covers it."""
        return self._resolve(FlagType.BOOLEAN, flag_key, default_value)

    async def resolve_boolean_details_async(
        self, flag_key: str, default_value: bool, evaluation_context: Context = None
    ) -> FlagResolutionDetails[bool]:
        """Resolve it without blocking the loop."""
        return await self._aresolve(FlagType.BOOLEAN, flag_key, default_value)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: Context = None
    ) -> FlagResolutionDetails[int]:
        """Resolve an integer flag: the units allowed, 0 when denied."""
        return self._resolve(FlagType.INTEGER, flag_key, default_value)

    async def resolve_integer_details_async(
        self, flag_key: str, default_value: int, evaluation_context: Context = None
    ) -> FlagResolutionDetails[int]:
        """Resolve it without blocking the loop."""
        return await self._aresolve(FlagType.INTEGER, flag_key, default_value)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: Context = None
    ) -> FlagResolutionDetails[str]:
        """Resolve a string flag: the text that the feature carries, ``""`` when denied."""
        return self._resolve(FlagType.STRING, flag_key, default_value)

    async def resolve_string_details_async(
        self, flag_key: str, default_value: str, evaluation_context: Context = None
    ) -> FlagResolutionDetails[str]:
        """Resolve it without blocking the loop."""
        return await self._aresolve(FlagType.STRING, flag_key, default_value)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: Context = None
    ) -> FlagResolutionDetails[float]:
        """Return a type mismatch: nothing in a licence is a fraction."""
        return self._resolve(FlagType.FLOAT, flag_key, default_value)

    async def resolve_float_details_async(
        self, flag_key: str, default_value: float, evaluation_context: Context = None
    ) -> FlagResolutionDetails[float]:
        """Resolve it without blocking the loop."""
        return await self._aresolve(FlagType.FLOAT, flag_key, default_value)

    def resolve_object_details(
        self, flag_key: str, default_value: Structure, evaluation_context: Context = None
    ) -> FlagResolutionDetails[Structure]:
        """Return a type mismatch: nothing in a licence is a structure."""
        return self._resolve(FlagType.OBJECT, flag_key, default_value)

    async def resolve_object_details_async(
        self, flag_key: str, default_value: Structure, evaluation_context: Context = None
    ) -> FlagResolutionDetails[Structure]:
        """Resolve it without blocking the loop."""
        return await self._aresolve(FlagType.OBJECT, flag_key, default_value)

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: Context = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """Hand an event to ``on_track``: License Manager keeps none, and nothing is counted against the licence."""
        if self._on_track is None:
            _log.warning("track(%r) goes nowhere: give EntitlementProvider on_track=", tracking_event_name)
            self._on_track = lambda *_: None  # said once
        self._on_track(tracking_event_name, evaluation_context, tracking_event_details)

    # -- inside ----------------------------------------------------------------------------------

    def _resolve(self, kind: FlagType, key: str, default: V) -> FlagResolutionDetails[V]:
        one = self._asked(kind, key)
        if not isinstance(one, Entitlement):
            return error(default, *one)
        try:
            decision = self._in_charge().ask(one)
        except ConfigurationError as mistake:
            return error(default, ErrorCode.PROVIDER_FATAL, str(mistake))
        self._judge(decision)
        return details(kind, one, decision, default)

    async def _aresolve(self, kind: FlagType, key: str, default: V) -> FlagResolutionDetails[V]:
        one = self._asked(kind, key)
        if not isinstance(one, Entitlement):
            return error(default, *one)
        try:
            decision = await self._in_charge().aask(one)
        except ConfigurationError as mistake:
            return error(default, ErrorCode.PROVIDER_FATAL, str(mistake))
        self._judge(decision)
        return details(kind, one, decision, default)

    def _asked(self, kind: FlagType, key: str) -> Entitlement | tuple[ErrorCode, str]:
        """Return the entitlement behind a key, or why there is no answer whatever the licence says."""
        if self._status is ProviderStatus.NOT_READY:
            return ErrorCode.PROVIDER_NOT_READY, "the provider is not initialised: use api.set_provider_and_wait()"
        if self._flags is not None:
            one = self._flags.get(key)
            if one is None:
                return ErrorCode.FLAG_NOT_FOUND, f"flags= has no {key!r}"
        else:
            try:
                one = Entitlement(key)
            except ValueError as problem:
                return ErrorCode.FLAG_NOT_FOUND, str(problem)
        fits = (FlagType.BOOLEAN, FlagType.INTEGER if one.is_counted else FlagType.STRING)
        if kind not in fits:
            return mismatch(kind, one)
        return one

    def _judge(self, decision: Decision) -> None:
        """Tell of an outage that no event tells of: one that was known before anybody listened."""
        if decision.reason is Reason.UNAVAILABLE:
            self._move(ProviderStatus.ERROR, decision.detail)
        elif decision.is_fallback:
            self._move(ProviderStatus.STALE, decision.detail)
