"""Texts for reprs and errors, without what must not be shown: tokens, fingerprints and ARNs."""

from __future__ import annotations

import re
import reprlib
from typing import Final

from .messages import Parameters

__all__ = ("hidden", "shown")

_SECRET_TEXT: Final = re.compile(r"\barn:|:issuer-fingerprint\b")
_SECRET_MEMBER: Final = re.compile(r"(Token|Tokens|Arn|Arns|Fingerprint)$")
_HIDDEN: Final = "'...'"


class _Repr(reprlib.Repr):
    """A short repr that cannot fail, however deep or long the value is."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 80
        self.maxlevel = 4

    def repr_str(self, x: str, level: int) -> str:
        return _HIDDEN if _SECRET_TEXT.search(x) else super().repr_str(x, level)

    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002 - as reprlib has it
        # Python refuses to write out very long numbers.
        return f"a number of {x.bit_length()} bits" if x.bit_length() > 256 else repr(x)


_repr: Final = _Repr()


def shown(value: object) -> str:
    """Return a short repr of a value for an error text."""
    return _repr.repr(value)


def hidden(parameters: Parameters) -> str:
    """Return a short repr of a request's parameters; its tokens, ARNs and fingerprints are left out."""
    members = (
        f"{shown(name)}: {_HIDDEN if _SECRET_MEMBER.search(name) else shown(value)}"
        for name, value in parameters.items()
    )
    return f"{{{', '.join(members)}}}"
