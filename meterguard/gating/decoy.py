"""Code that stands in for a guarded function's own, for tools that rebuild functions from their code."""

from __future__ import annotations

from types import CodeType
from typing import Never

from ..errors import ConfigurationError


class Refusal:
    """A constant of the decoy: it cannot be sent elsewhere, and refuses to run where the decoy is run."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self) -> Never:
        """Refuse a call of the rebuilt function."""
        raise ConfigurationError(
            f"{self.name} was rebuilt from the code of a guarded function, and the guard is not in it: call the "
            "function itself, or import it by its name"
        )

    def __reduce_ex__(self, _protocol: object) -> Never:
        import pickle

        raise pickle.PicklingError(
            f"the guarded function {self.name} would be sent by value, without its guard: put it into a module that "
            "the other process can import, where it is found by its name"
        )


_run = (lambda: "".run()).__code__  # type: ignore[attr-defined] # the text is replaced by a Refusal


def decoy(code: CodeType, name: str) -> CodeType:
    """Return code with the kind, the names and the place of ``code``, which runs nothing."""
    refusal = Refusal(name)
    return code.replace(
        co_code=_run.co_code,
        co_consts=tuple(refusal if isinstance(one, str) else one for one in _run.co_consts),
        co_names=_run.co_names,
        co_stacksize=_run.co_stacksize,
        co_linetable=_run.co_linetable,
        co_exceptiontable=_run.co_exceptiontable,
    )
