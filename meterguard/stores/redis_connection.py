"""Connections to a server that speaks Redis. This is the only file that knows redis-py."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from itertools import count
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..extras import needed
from ..secret import Secret
from .purposes import Fault, Purpose
from .redis_server import Facts, passing

with needed("redis", "redis", by="A ledger or a lease store in Redis"):
    from redis import ConnectionPool, Redis, exceptions
    from redis.backoff import NoBackoff
    from redis.connection import parse_url
    from redis.retry import Retry

CODE_OF = {  # redis-py takes the code out of these texts
    exceptions.BusyLoadingError: "LOADING",
    exceptions.ClusterDownError: "CLUSTERDOWN",
    exceptions.MasterDownError: "MASTERDOWN",
    exceptions.OutOfMemoryError: "OOM",
    exceptions.ReadOnlyError: "READONLY",
    exceptions.TryAgainError: "TRYAGAIN",
}
LOST = (exceptions.ConnectionError, exceptions.TimeoutError, OSError)
NOT_LET_IN = (
    exceptions.AuthenticationError,  # a ConnectionError, to redis-py
    exceptions.AuthenticationWrongNumberOfArgsError,
    exceptions.AuthorizationError,
    exceptions.NoPermissionError,
)
T = TypeVar("T")
Argument = str | bytes | int
Command = Callable[..., Any]


class Timeouts(NamedTuple):
    """The seconds in which a server has to let us connect, and to send each reply."""

    usual: float = 3.0
    """They count where the URL has none."""
    longest: float = 10.0
    """The URL may not have more."""


USUAL = Timeouts()


class Script(NamedTuple):
    """A script, and the digest by which a server knows it."""

    text: str
    digest: str

    @classmethod
    def read(cls, *names: str) -> Self:
        """Read a script that stands in one or several ``.lua`` files beside this one."""
        text = "\n".join(
            files(__name__.rpartition(".")[0]).joinpath(f"{name}.lua").read_text("utf-8") for name in names
        )
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class RedisConnection:
    """The connections of one process to one server, opened when they are needed, and again after a fork.

    ``check`` is called with what a server says of itself, and with a way to ask it more, before it is used. It raises
    ``ConfigurationError`` where the server will not do. Every other failure is a fault of the purpose.
    """

    def __init__(
        self, url: str, purpose: Purpose, check: Callable[[Facts, Command], None], timeouts: Timeouts = USUAL
    ) -> None:
        url = self._url = Secret(url)
        self._purpose = purpose
        self._check = check
        self._timeouts = timeouts
        at = self._pool().connection_kwargs
        self.place = f"{at.get('host', 'localhost')}:{at.get('port', 6379)}"
        self.forget()

    def forget(self) -> None:
        """In a forked child: the sockets are the parent's. They are let go without a word to the server."""
        self._client: Redis | None = None
        self._pid = os.getpid()

    def close(self) -> None:
        """Close the connections that nobody uses at the moment; the others end with their calls."""
        client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            client.connection_pool.disconnect(inuse_connections=False)

    # -- what may be done twice ----------------------------------------------------------------------

    def command(self, *arguments: Argument | float) -> Any:
        """Return the reply to a command."""
        return self._ask(lambda client: _command(client)(*arguments))

    def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run a script."""
        return self._ask(lambda client: _evaluate(client, script, keys, arguments))

    def _ask(self, act: Callable[[Redis], T]) -> T:
        """Ask again once, where a connection turns out to be closed."""
        for may_be_closed in (True, False):
            try:
                return act(self._opened())
            except (exceptions.RedisError, OSError) as problem:
                failure = self._failure(problem)
                is_slow = isinstance(problem, (exceptions.TimeoutError, TimeoutError))
                if is_slow or not (may_be_closed and is_lost(problem)):
                    raise failure from None
        raise AssertionError  # the second attempt returns or raises

    # -- what may not --------------------------------------------------------------------------------

    def run_once(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument], deadline: float
    ) -> tuple[Any, bool]:
        """Run a script that knows its own repetition by an argument, again where its reply is lost, until there is one.

        Also returns whether an earlier reply may have been lost.
        """
        was_lost = False
        for attempt in count():
            try:
                return _evaluate(self._opened(), script, keys, arguments), was_lost
            except (exceptions.RedisError, OSError, ConfigurationError) as problem:
                was_lost = was_lost or is_lost(problem)
                if not was_lost:
                    raise self._failure(problem) from None
                if time.monotonic() >= deadline:
                    raise self.unknown(_reason(problem)) from None
            self._drop()
            pause(attempt, first=0.02, longest=0.5)
        raise AssertionError  # count() does not end

    # -- opening -------------------------------------------------------------------------------------

    def _opened(self) -> Redis:
        if self._pid != os.getpid():  # forked where no hook runs
            self.forget()
        client = self._client
        if client is None:
            client = Redis(connection_pool=self._pool())
            self._check(_facts(client), _command(client))
            self._client = client  # of two threads that open it at once, one keeps its own for one call
        return client

    def _drop(self) -> None:
        """Close idle connections: those of a server that is gone, or that may not be written to any more."""
        if (client := self._client) is not None:
            client.connection_pool.disconnect(inuse_connections=False)

    def _pool(self) -> ConnectionPool:
        """Return a new pool, with nothing open yet."""
        pool = _pool(self._url, self._timeouts)
        if pool is None:
            scheme = self._url.partition("://")[0] if "://" in self._url else ""
            raise ConfigurationError(
                f"The {self._purpose.noun}'s URL must be redis://[[user]:password@]host[:port][/database][?options of "
                f"redis-py], or the same with rediss:// for TLS; got {f'{scheme}://...' if scheme else 'no scheme'}. "
                "Special characters in a password are written %XX."
            )
        return pool

    # -- what is said --------------------------------------------------------------------------------

    def fault(self, reason: str) -> Fault:
        """Return the fault that says so."""
        return self._purpose.fault(self._trouble(reason))

    def unknown(self, reason: str) -> Fault:
        """Return the fault that says that a write may have been carried out."""
        lost = "The reply to a write was lost: whether it was written is not known"
        return self._purpose.unknown(self._trouble(f"{reason}. {lost}"))

    def _trouble(self, reason: str) -> str:
        return f"the {self._purpose.noun} at {self.place} cannot be had now: {reason}"

    def _failure(self, problem: Exception) -> Exception:
        """Return what a failure means, where it is known that nothing was written."""
        if isinstance(problem, ConfigurationError):
            return problem
        if isinstance(problem, NOT_LET_IN):
            return ConfigurationError(
                f"The server at {self.place} does not let the {self._purpose.noun} in: {problem} "
                "Look at the user and the password in the URL, and at the user's rights."
            )
        if is_lost(problem) or _passing(problem):
            self._drop()  # another server may answer to the name by now
            return self.fault(f"{_reason(problem)}; nothing was written")
        return ConfigurationError(f"The server at {self.place} cannot keep a {self._purpose.noun}: {problem}")


def is_lost(problem: Exception) -> bool:
    """Return True where a server may have done what it was asked, and its reply did not come."""
    return isinstance(problem, LOST) and not isinstance(problem, NOT_LET_IN)


def pause(attempt: int, *, first: float, longest: float) -> None:
    """Sleep before another attempt: exponentially longer, with full jitter. In seconds."""
    time.sleep(random.random() * min(longest, first * 2.0 ** min(attempt, 16)))


def _passing(problem: Exception) -> str | None:
    return passing(next((code for kind, code in CODE_OF.items() if isinstance(problem, kind)), str(problem)))


def _reason(problem: Exception) -> str:
    return _passing(problem) or str(problem).rstrip(".") or type(problem).__name__


def _command(client: Redis) -> Command:
    command: Command = client.execute_command
    return command


def _evaluate(client: Redis, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
    try:
        return _command(client)("EVALSHA", script.digest, len(keys), *keys, *arguments)
    except exceptions.NoScriptError:  # a new server, or somebody flushed its scripts
        return _command(client)("EVAL", script.text, len(keys), *keys, *arguments)


def _facts(client: Redis) -> Facts:
    """Ask a server what it is. Managed services forbid some of the commands, so there are two ways."""
    said = _allowed(client.info) | _allowed(lambda: client.config_get("appendonly"))
    said |= _allowed(lambda: client.config_get("maxmemory-policy"))
    version, appends = said.get("redis_version"), said.get("appendonly", said.get("aof_enabled"))
    return Facts(
        None if version is None else str(version),
        None if appends is None else str(appends) in {"yes", "1"},
        said.get("maxmemory-policy", said.get("maxmemory_policy")),
    )


def _allowed(ask: Callable[[], Any]) -> dict[str, Any]:
    """Return the answer; nothing where the server does not give one to this user, or to nobody."""
    try:
        return dict(ask())
    except exceptions.ResponseError:
        return {}


def _pool(url: str, timeouts: Timeouts) -> ConnectionPool | None:
    """Return a pool, None for a wrong URL: an error from here would carry the password in its frames."""
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        pool = ConnectionPool(**_options(url, timeouts))
        pool.make_connection()  # which finds options that do not exist
        return pool
    return None


def _options(url: str, timeouts: Timeouts) -> dict[str, Any]:
    """Return the options of a URL, with ours. Raises ``ValueError`` for a URL that redis-py would guess about."""
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss"} or not re.fullmatch(r"/?\d*", parts.path) or parts.fragment:
        raise ValueError("not such a URL")
    parse: Callable[[str], dict[str, Any]] = parse_url
    options: dict[str, Any] = {"host": "localhost", "port": parts.port or 6379} | parse(str(url))
    limits = {
        name: min(float(options.get(name) or timeouts.usual), timeouts.longest)
        for name in ("socket_timeout", "socket_connect_timeout")
    }
    fixed = {
        # Every attempt is ours to make: a write is sent again with its nonce, and known to be.
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "retry_on_timeout": False,
        "health_check_interval": 0,
        "protocol": 2,
        "encoding": "utf-8",
        "encoding_errors": "strict",
        "decode_responses": False,
    }
    return options | limits | fixed
