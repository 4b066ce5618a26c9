"""Redaction: keeps tokens, ARNs and credentials out of the log that botocore writes at level DEBUG."""

from __future__ import annotations

import logging
from collections.abc import Callable

__all__ = ("LOGGERS", "RedactingFilter", "redact_botocore")

LOGGERS = (
    # requests, answers and signatures
    *("botocore.auth", "botocore.endpoint", "botocore.parsers"),
    # exceptions that quote answers, and what credentials are made of
    *("botocore.credentials", "botocore.handlers", "botocore.httpsession", "botocore.retryhandler"),
    *("botocore.tokens", "botocore.utils"),
)
"""Loggers of botocore that write secrets."""


class _Shown(str):
    """Text that a filter has decided on, so that another filter leaves it."""

    __slots__ = ()


_HIDDEN = _Shown("<hidden>")


class RedactingFilter(logging.Filter):
    """Hides the arguments of records of :data:`LOGGERS`, and the texts of their exceptions.

    Numbers, the names of operations and the types of exceptions stay. No pattern is searched for, so no pattern can
    miss a secret. It lets every record through, and leaves those of other loggers as they are, so
    it may stand at a logger or at a handler.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Hide what may be secret. Returns True."""
        if record.name not in LOGGERS:
            return True
        given = record.args if isinstance(record.args, tuple) else (record.args,)
        shown = [_shown(argument) for argument in given] if record.args else []
        if record.exc_info and record.exc_info[0] is not None:
            record.msg = f"{record.msg} (%s)"
            shown.append(_Shown(record.exc_info[0].__name__))
        record.args, record.exc_info, record.exc_text = tuple(shown), None, None
        return True


def _shown(argument: object) -> object:
    if isinstance(argument, BaseException):
        return _Shown(type(argument).__name__)
    if isinstance(argument, int | float | _Shown):
        return argument
    # of botocore's model, which is not imported for this
    return _Shown(argument) if type(argument).__name__ == "OperationModel" else _HIDDEN


def redact_botocore() -> Callable[[], None]:
    """Put a :class:`RedactingFilter` on each of :data:`LOGGERS`, for all services and handlers of this process.

    :returns: a function that takes it off again.
    """
    redacting = RedactingFilter()
    for name in LOGGERS:
        logging.getLogger(name).addFilter(redacting)

    def end() -> None:
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(redacting)

    return end
