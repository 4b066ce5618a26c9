"""Temporary keys from a refresh token: two requests an hour, for all guards and threads of a process."""

from __future__ import annotations

import contextlib
import copy
import math
import os
import re
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from ..core.terms import Phase, Term, phase
from ..errors import ConfigurationError
from ..ports import FaultKind, Moment, ServiceFault
from ..secret import Secret
from . import metadata, refresh_token
from .error_codes import answer_of, is_permission, of_answer, translate
from .outcome import Failure, attempt, hidden
from .refresh_token import ASK_THE_VENDOR, RefreshToken
from .settings import Settings
from .times import parse_time

MARGIN = 60.0  # seconds before their end from which on keys are not used: a request takes its time
AHEAD = 0.75  # the part of their life after which keys are renewed while the old ones are still good
PAUSE = 60.0  # seconds between two attempts to renew ahead: each may cost a caller its time-outs
LONGEST = 3600.0  # seconds; the session of such a role

_ROLE = re.compile(r"arn:[a-z0-9-]+:iam::\d{12}:role/[\x21-\x7e]{1,900}", re.ASCII)
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)


Requesters: TypeAlias = tuple[Any, Any]
"""Clients of License Manager and of STS that sign nothing."""

Connect: TypeAlias = Callable[[], Requesters]
"""Makes the clients for one exchange."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Temporary keys, and for how long they are good."""

    access_key: Secret
    secret_key: Secret
    session_token: Secret
    term: Term = field(repr=False)


class Source(NamedTuple):
    """The source of keys. Guards with the same one share them."""

    token: RefreshToken
    region: str
    endpoint_url: str | None
    trust_env: bool
    role: str
    """``AWS_ROLE_ARN``, for a token that names no role."""
    session_name: str


def source(token: RefreshToken, region: str, settings: Settings) -> Source:
    """Return the source of keys for a guard, with what AWS's own variables say now."""
    role, name = (os.environ.get(variable, "").strip() for variable in ("AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"))
    return Source(token, region, settings.endpoint_url, settings.trust_env, Secret(role), name or "meterguard")


class _Stand(NamedTuple):
    """The end of the last exchange: keys, or why there are none."""

    keys: Keys | None = None
    failure: ServiceFault | ConfigurationError | None = None


class TokenCredentials:
    """The keys of one source. One thread exchanges at a time, and those who waited for it share its outcome."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._stand = _Stand()
        self._tried = -math.inf

    def keys(self, connect: Connect, now: Callable[[], Moment], *, patience: float) -> Keys:
        """Return keys that are good now.

        :param patience: seconds to wait for the exchange of another thread.
        :raises ServiceFault: the token or the role was refused, or nobody could be asked.
        :raises ConfigurationError: no role is set.
        """
        stand = self._stand  # read once: an exchange that ends from here on is one that was waited for
        moment = now()
        state = Phase.ENDED if stand.keys is None else phase(stand.keys.term, moment)
        if stand.keys is not None and state is Phase.LIVE:
            return stand.keys
        if stand.keys is not None and state is Phase.DUE:
            self._renew_ahead(stand, moment, connect, now)
            return self._stand.keys or stand.keys
        after = self._renew(stand, connect, now, patience)
        if after.failure is not None or after.keys is None:
            raise copy.copy(after.failure or _UNKNOWN)
        return after.keys

    def _renew(self, stand: _Stand, connect: Connect, now: Callable[[], Moment], patience: float) -> _Stand:
        """Exchange, unless another thread has done so since ``stand`` was read."""
        if not self._lock.acquire(timeout=patience):
            return _Stand()
        try:
            if self._stand is stand:
                self._stand = self._exchanged(connect, now)
            return self._stand
        finally:
            self._lock.release()

    def _renew_ahead(self, stand: _Stand, moment: Moment, connect: Connect, now: Callable[[], Moment]) -> None:
        """Renew keys that are still good. Nobody waits for it but who does it, and a failure changes nothing."""
        if moment.mono - self._tried < PAUSE or not self._lock.acquire(blocking=False):
            return
        try:
            if self._stand is stand:
                self._tried = moment.mono
                after = self._exchanged(connect, now)
                if after.keys is not None:
                    self._stand = after
        finally:
            self._lock.release()

    def _exchanged(self, connect: Connect, now: Callable[[], Moment]) -> _Stand:
        try:
            return _Stand(exchange(self._source, connect, now))
        except (ServiceFault, ConfigurationError) as failure:
            return _Stand(None, failure.with_traceback(None))

    def drop(self) -> None:
        """Forget the keys: the service does not take them."""
        self._stand = _Stand()


_shared: weakref.WeakValueDictionary[Source, TokenCredentials] = weakref.WeakValueDictionary()
_sharing = threading.Lock()


def shared(source: Source) -> TokenCredentials:
    """Return the credentials of a source, the same object as long as somebody uses it."""
    with _sharing:
        return _shared.setdefault(source, TokenCredentials(source))


def forget() -> None:
    """Forget the parent's, in a forked child that has no thread yet. Waits for nothing."""
    global _shared, _sharing
    _shared, _sharing = weakref.WeakValueDictionary(), threading.Lock()


# -- one exchange --------------------------------------------------------------------------------


def exchange(source: Source, connect: Connect, now: Callable[[], Moment]) -> Keys:
    """Exchange a refresh token for an hour's access, and that for temporary keys of a role. Raises as ``keys`` does."""
    token = source.token.read()
    said = refresh_token.claims(token)
    role = _role(refresh_token.roles(said), source.role)
    if not _SESSION_NAME.fullmatch(source.session_name):
        raise ConfigurationError("AWS_ROLE_SESSION_NAME must have 2 to 64 letters, digits or characters of =,.@+-_")
    license_manager, sts = connect()
    with contextlib.closing(license_manager), contextlib.closing(sts):
        expired = _of_token(refresh_token.ends(said), now)
        lent = _answer("GetAccessToken", lambda: license_manager.get_access_token(Token=token), expired)
        access = _text(lent, "AccessToken")
        start = now()
        asked = {"RoleArn": role, "RoleSessionName": source.session_name, "WebIdentityToken": access}
        given = _answer("AssumeRoleWithWebIdentity", lambda: sts.assume_role_with_web_identity(**asked), _of_role)
    found = metadata.mapping(metadata.mapping(given).get("Credentials"))
    return Keys(
        _text(found, "AccessKeyId"),
        _text(found, "SecretAccessKey"),
        _text(found, "SessionToken"),
        _term(start, found.get("Expiration"), given),
    )


def _role(named: tuple[Secret, ...], chosen: str) -> str:
    """Return the role to assume: the one that the token names, else the one of the environment."""
    role = named[0] if len(named) == 1 else chosen
    if not role:
        count = "no role" if not named else f"{len(named)} roles"
        raise ConfigurationError(f"the refresh token names {count}: set AWS_ROLE_ARN to the role that the vendor made")
    if not _ROLE.fullmatch(role):
        whose = "the refresh token names a role" if role is not chosen else "AWS_ROLE_ARN holds something"
        raise ConfigurationError(f"{whose} that is no ARN of a role, such as arn:aws:iam::<account>:role/<name>")
    return role


def _answer(operation: str, ask: Callable[[], object], refusal: Callable[[str | None], str]) -> object:
    """Return the answer to a request, in which every text is hidden.

    An answer that is no throttling and no trouble of the service is a no, in our own words.
    """
    outcome = attempt(lambda: hidden(ask()))
    if not isinstance(outcome, Failure):
        return outcome.made
    answer = answer_of(outcome.trouble)
    fault = translate(outcome.trouble, operation) if answer is None else of_answer(answer, operation)
    if answer is not None and fault.kind not in (FaultKind.UNKNOWN, FaultKind.UNREACHABLE):
        said = f"{fault.code}, HTTP {metadata.status(answer)}"
        fault = ServiceFault(
            FaultKind.REFUSED, f"{refusal(fault.code)} ({said})", code=fault.code, request_id=fault.request_id
        )
    elif fault.kind is FaultKind.UNKNOWN:
        fault.detail = f"the refresh token could not be exchanged for AWS credentials: {fault.detail}"
    fault.may_have_acted = False  # the request that the keys are for was not sent
    raise fault


def _of_token(end: datetime | None, now: Callable[[], Moment]) -> Callable[[str | None], str]:
    def words(_: str | None) -> str:
        # clocks may be wrong, so the token's own word chooses words alone
        if end is not None and end.timestamp() <= now().wall:
            return f"the refresh token has expired, on {end:%Y-%m-%d %H:%M} UTC; {ASK_THE_VENDOR}"
        return f"the refresh token was refused: it was deleted, or is none of this Region; {ASK_THE_VENDOR}"

    return words


def _of_role(code: str | None) -> str:
    if is_permission(code):
        return (
            "the role may not be assumed with this refresh token; ask the vendor to look at the role's trust policy, "
            "or for a new refresh token"
        )
    return f"AWS STS does not take the access that the refresh token gave; {ASK_THE_VENDOR}"


_UNKNOWN = ServiceFault(
    FaultKind.UNKNOWN,
    "the refresh token could not be exchanged for AWS credentials: no answer that could be read came in time",
)


def _text(answer: object, name: str) -> Secret:
    found = metadata.mapping(answer).get(name)
    if not isinstance(found, str) or not found:
        raise copy.copy(_UNKNOWN)
    return Secret(found)


def _term(start: Moment, expiration: object, answer: object) -> Term:
    """Return how long keys are good: by the clock of the service, where it says what that shows."""
    end, served = parse_time(expiration), metadata.served_at(answer)
    left = LONGEST if end is None else (end - served).total_seconds() if served else end.timestamp() - start.wall
    life = min(LONGEST, max(left, 0.0))
    usable = life - min(MARGIN, life / 10)
    return Term(start, usable, usable * AHEAD, usable)
