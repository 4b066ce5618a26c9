"""Celery: a base class for tasks that need a licence, and leases given back when a worker stops."""

from __future__ import annotations

import functools
import logging
import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Literal

from ..errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable
from ..extras import needed
from ..gating.admission import Entered
from ..guard import MeterGuard
from .audit import Registered, audit
from .declaration import COUNTED, Declaration, declared
from .http import HttpOptions
from .installation import Installation, begin, set_up
from .settings import check, in_code

with needed("celery", "celery", by="meterguard.integrations.celery"):
    from celery import Celery, Task, states
    from celery.exceptions import Ignore, Reject
    from celery.signals import worker_init, worker_process_init, worker_process_shutdown, worker_shutdown
    from celery.utils.time import get_exponential_backoff_interval

__all__ = ("EntitledTask", "registered", "setup_celery")

OnDenied = Literal["raise", "retry", "ignore", "reject"]
Refused = EntitlementDenied | EntitlementUnavailable

LONGEST_RETRY = 600  # seconds
_MODES = ("raise", "retry", "ignore", "reject")
_INSTALLED = "_meterguard"

_log = logging.getLogger("meterguard.integrations")


def setup_celery(app: Celery, guard: MeterGuard | None = None, **settings: object) -> None:
    """Give the leases of a worker back when it stops, and look for guards that never run.

    ::

        app = Celery("reports", broker="redis://")
        setup_celery(app, linger=900)

    Asks nobody and starts nothing. Each process of a worker has leases of its own, or with a shared store its part in
    those of all: those of a prefork pool give them back when they end, also when they are replaced after
    ``max_tasks_per_child``; the threads and solo pools when the worker stops. What a killed process held comes back
    when the service ends it; with a shared store another process gives it back within seconds.

    :param guard: used by :class:`EntitledTask`, and closed when the worker stops; None: the default guard.
    :param settings: the arguments of :class:`~meterguard.MeterGuard` for a default guard, and ``enabled=False`` to
        let everything through.
    :raises ConfigurationError: a setting is unknown or wrong, or the application was set up already.
    """
    _check_application(app)
    if hasattr(app, _INSTALLED):
        raise ConfigurationError("setup_celery() was called with this application already")
    unknown = sorted(settings.keys() & HttpOptions.names())
    if unknown:
        raise ConfigurationError(f"setup_celery() has no setting {', '.join(unknown)}: tasks answer nobody over HTTP")
    installed = set_up(guard, in_code(settings, "setup_celery()", guard))
    setattr(app, _INSTALLED, installed)

    def look(**_: Any) -> None:
        if guard is not None:
            guard.reopen()  # a worker may have run in this process before
        audit(registered(app), strict=False)

    def serve(**_: Any) -> None:
        begin(installed.guard)

    def give_back(**_: Any) -> None:
        last = installed.guard
        last.close()
        if guard is None:
            last.reopen()  # nobody passed it in, so nobody can make another

    worker_init.connect(look, weak=False)
    worker_process_init.connect(serve, weak=False)
    worker_process_shutdown.connect(give_back, weak=False)
    worker_shutdown.connect(give_back, weak=False)


def registered(app: Celery) -> Iterator[Registered]:
    """Yield the names of the application's tasks, and what is run for each."""
    _check_application(app)
    for name, task in sorted(app.tasks.items()):
        if not name.startswith("celery."):
            yield name, type(task).run


def _check_application(app: object) -> None:
    check("app", app, isinstance(app, Celery), "a Celery application")


class EntitledTask(Task):  # type: ignore[misc,unused-ignore] # Celery has no types
    """A task that runs under a licence.

    ::

        @app.task(base=EntitledTask, entitlement=("Seats", 1, "Count"), on_denied="retry")
        def render(document): ...

    Called in its own process, it is guarded too.
    """

    abstract = True

    entitlement: ClassVar[Any] = None
    """The entitlement: a name, or a name, a value and a unit as for :func:`~meterguard.requires_entitlement`; or a draw
    or a meter, which is charged when the task succeeds, and not when it raises, is to be retried, or is rejected."""
    entitlement_options: ClassVar[Mapping[str, Any]] = {"hold": "call"}
    """Further options of :func:`~meterguard.requires_entitlement`. Callables get the arguments of the task.
    By default a seat is held while the task runs, and no longer."""
    on_denied: ClassVar[OnDenied] = "raise"
    """The fate of a task that is denied.

    - ``"raise"``: it fails with :class:`~meterguard.EntitlementDenied`
    - ``"retry"``: it is tried again, ``max_retries`` times, then fails. First when the service says, else after
      ``default_retry_delay`` seconds; each time after twice as long, with jitter, and ten minutes at the most
    - ``"ignore"``: it is dropped; its state is ``IGNORED``, which no ``.get()`` waits for: give it a ``timeout``
    - ``"reject"``: the broker gets it back, not to be queued again but to go where it puts dead letters; needs
      ``acks_late``

    When the service could not be asked, that is no denial: the task is tried again in mode ``"retry"``, and else fails
    with :class:`~meterguard.EntitlementUnavailable`, for ``autoretry_for`` to name.
    """

    def __init__(self) -> None:
        if self.entitlement is None:
            raise ConfigurationError(f"{type(self).__name__} is an EntitledTask, and has no entitlement=")
        check("on_denied", self.on_denied, self.on_denied in _MODES, f"one of {', '.join(_MODES)}")
        is_default = self.entitlement_options is EntitledTask.entitlement_options
        options = {} if is_default and isinstance(self.entitlement, COUNTED) else self.entitlement_options
        declaration = declared(self.entitlement, options, "entitlement")
        self.run: Callable[..., Any] = self._licensed(declaration, self.run)

    @classmethod
    def on_bound(cls, app: Celery) -> None:
        """Check and guard the task, once Celery has applied its settings."""
        super().on_bound(app)
        if cls.on_denied == "reject" and not cls.acks_late:
            raise ConfigurationError(
                f"{cls.__name__} has on_denied='reject', which does nothing with a message that was acknowledged "
                "before: give it acks_late=True"
            )

    def _licensed(self, declaration: Declaration, run: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``run`` behind a gate; not ``__call__``, so that ``autoretry_for`` is around the gate."""

        @functools.wraps(run)
        def licensed(*args: Any, **kwargs: Any) -> Any:
            try:
                entered = declaration.gate(_installed(self.app).guard).enter(*args, **kwargs)
            except (EntitlementDenied, EntitlementUnavailable) as error:
                refused: Refused = error
            else:
                return _ended(entered, run, *args, **kwargs)
            raise self._instead(refused)  # outside the except block, so that it is not chained to the refusal

        return licensed

    def _instead(self, refused: Refused) -> Exception:
        """Return the exception to raise."""
        if self.on_denied == "retry":
            countdown = _countdown(refused.retry_after or self.default_retry_delay, self.request.retries)
            again: Exception = self.retry(exc=refused, countdown=countdown, throw=False)
            return again
        if isinstance(refused, EntitlementUnavailable) or self.on_denied == "raise":
            return refused
        _log.info("%s was denied and is not run: %s", self.name, refused.reason.value)
        if self.on_denied == "reject":
            rejected: Exception = Reject(refused.reason.value, requeue=False)
            return rejected
        if not self.request.called_directly and not self.ignore_result:
            self.update_state(state=states.IGNORED, meta=refused.reason.value)
        ignored: Exception = Ignore(refused.reason.value)
        return ignored


def _ended(entered: Entered[object], run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        result = run(*args, **kwargs)
    except BaseException:
        entered.fail()
        raise
    entered.release()
    return result


def _countdown(first: float, retries: int) -> float:
    seconds: int = get_exponential_backoff_interval(math.ceil(first), retries, LONGEST_RETRY)
    return min(seconds * random.uniform(1, 1.25), LONGEST_RETRY)


_DEFAULT = Installation(None, HttpOptions())


def _installed(app: Celery) -> Installation:
    found: Installation = getattr(app, _INSTALLED, _DEFAULT)
    return found
