"""Text that must not be shown."""

from __future__ import annotations


class Secret(str):
    """Text that its repr hides: a token, a fingerprint, an ARN.

    A debug page, an error tracker and a debugger show the repr of every local variable, of ours too. Where the text
    is needed, for a request say, it is the string that it is; ``str(secret)`` is a plain one.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<hidden>"
