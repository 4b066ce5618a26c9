"""The arguments of an `Emulator`: their types, and the rules that they are checked by."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypedDict

from .admin.journal import Request
from .admin.seeds import Seed
from .protocol.policies import Policy
from .protocol.validation import (
    FLAG,
    Rules,
    check,
    is_flag,
    is_list_of_texts,
    is_number,
    is_path,
    is_table_of,
    is_text,
    is_whole,
    maybe,
)
from .state.clock import Clock
from .state.licenses import License
from .state.switches import Behavior

__all__ = ("EmulatorOptions", "check_arguments", "check_options")


class EmulatorOptions(TypedDict, total=False):
    """The keyword arguments of an `Emulator`."""

    seed: Seed | str | os.PathLike[str] | None
    account_id: str | None
    region: str | None
    accounts: Mapping[str, str] | None
    organizations: Mapping[str, Sequence[str]] | None
    clock: Clock | None
    behavior: Behavior | None
    random_seed: int | None
    state: str | os.PathLike[str] | None
    verify_signatures: bool | Mapping[str, str]
    policy: Policy | None
    most_requests: int | None
    on_request: Callable[[Request], None] | None


def check_options(options: Mapping[str, object]) -> None:
    """Refuse an argument that an emulator cannot take, with a ConfigurationError that names it."""
    check(_RULES, options)


def check_arguments(**arguments: object) -> None:
    """Refuse an argument that a method of an emulator cannot take, with a ConfigurationError that names it."""
    check(_ARGUMENTS, arguments)


_ARGUMENTS: Final[Rules] = {
    "licence": (lambda one: isinstance(one, (License, str)), "a licence, its ARN or its SKU"),
    "operation": (is_text, "the name of an operation"),
    "count": (is_whole(0), "a whole number of at least 0"),
    "timeout": (is_number, "a number of seconds"),
    "done": FLAG,
}
_is_table_of_texts: Final = is_table_of(is_text)
_RULES: Final[Rules] = {
    "port": (is_whole(0, 65535), "a port: a whole number from 0 to 65535"),
    "seed": maybe((lambda one: isinstance(one, Seed) or is_path(one), "the path of a seed file, or a Seed")),
    "account_id": maybe((is_text, "an account")),
    "region": maybe((is_text, "the name of a Region")),
    "accounts": maybe((_is_table_of_texts, "a mapping of access keys to accounts")),
    "organizations": maybe((is_table_of(is_list_of_texts), "a mapping of ARNs to lists of accounts")),
    "clock": maybe((lambda one: isinstance(one, Clock), "a Clock of the emulator")),
    "behavior": maybe((lambda one: isinstance(one, Behavior), "a Behavior")),
    "random_seed": maybe((is_whole(-float("inf")), "a whole number")),
    "state": maybe((is_path, "the path of a file")),
    "verify_signatures": (
        lambda one: is_flag(one) or _is_table_of_texts(one),
        "true or false, nor a mapping of access keys to secrets",
    ),
    "policy": maybe((lambda one: isinstance(one, Mapping) or is_path(one), "a policy, or the path of its JSON file")),
    "most_requests": maybe((is_whole(1), "a whole number of at least 1")),
    "on_request": maybe((callable, "a function of a request")),
}
