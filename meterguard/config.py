"""The options of a guard: name, type, default, check, environment variable and meaning, each said once.

The only place that reads the environment.
"""

# Not "from __future__ import annotations": the table is read from the annotations of two classes.

import inspect
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol, TypedDict

from . import arguments
from .arguments import Duration, OnUnknownName
from .errors import ConfigurationError
from .reasons import OnUnknown
from .rows import SharedStore
from .secret import Secret

if TYPE_CHECKING:
    from .core.policy import Policy

LOOPBACK_ONLY = "METERGUARD_LOOPBACK_ONLY"
STORE_KEY = "METERGUARD_STORE_KEY"


Checked = Mapping[str, object]
"""All options, by name: what was given in the form that counts, and None."""


class Session(Protocol):
    """The part of a ``boto3.Session`` that is used."""

    def client(self, *args: Any, **kwargs: Any) -> object:
        """Make a client."""
        ...


class Option(NamedTuple):
    """One argument of a guard."""

    meaning: str
    check: Callable[[str, Any], Any] = arguments.text
    default: object = None
    has_variable: bool = False
    """True where ``METERGUARD_NAME`` stands in for it."""
    is_required: bool = False
    is_hidden: bool = False
    """True for a value that no repr, page or traceback may show."""
    strictness: Callable[[Any], float] | None = None
    """Orders values, the strictest first, where the variable can only make the declared one stricter."""


def _strictness_of_policy(on_unknown: OnUnknown) -> float:
    return (OnUnknown.DENY, OnUnknown.GRACE, OnUnknown.ALLOW).index(on_unknown)


class ProductOptions(TypedDict, total=False):
    """The options that a guard takes by position, too."""

    product_sku: Annotated[
        str | None,
        Option(
            "the licence's ``ProductSKU``; for AWS Marketplace the product *ID*.",
            has_variable=True,
            is_required=True,
        ),
    ]
    key_fingerprint: Annotated[
        str | None,
        Option(
            "the issuer you trust, ``aws:<account>:<issuer>:issuer-fingerprint``; for AWS Marketplace always "
            "``aws:294406891311:AWS/Marketplace:issuer-fingerprint``.",
            has_variable=True,
            is_required=True,
            is_hidden=True,
        ),
    ]


class GuardOptions(TypedDict, total=False):
    """The options that a guard takes by name. None counts as not given."""

    beneficiary: Annotated[
        str | None,
        Option(
            "needed when this account issued the licence itself (API reference, ``CheckoutLicense``); leave it out "
            "for licences that were granted or bought.",
            has_variable=True,
            is_hidden=True,
        ),
    ]
    node_id: Annotated[str | None, Option("sent with each checkout, to tell instances apart.", has_variable=True)]
    region_name: Annotated[str | None, Option("as for boto3; default ``AWS_REGION``, then boto3's own settings.")]
    endpoint_url: Annotated[str | None, Option("as for boto3, for an emulator or a private endpoint.", is_hidden=True)]
    session: Annotated[Session | None, Option("a ``boto3.Session`` to make the client from.", arguments.session)]
    # any object: type checkers know nothing of the objects of an untyped boto3
    client: Annotated[object, Option("an object with boto3's methods, used as it is.", arguments.client)]
    store: Annotated[
        str | SharedStore | None,
        Option(
            "where leases live: ``memory://`` is this process, ``sqlite:///file.db`` this host, "
            "``redis://host:port/db``, ``postgresql://user:password@host/db``, ``django://alias`` and "
            "``dynamodb://table`` a fleet; or an object with the methods of ``meterguard.rows.SharedStore``.",
            arguments.store,
            "memory://",
            has_variable=True,
            is_hidden=True,
        ),
    ]
    ledger: Annotated[
        str | None,
        Option(
            "where draws and meters are counted: ``memory://`` is this process, ``sqlite:///file.db`` this host, "
            "``redis://host:port/db`` a fleet.",
            arguments.ledger_url,
            "memory://",
            has_variable=True,
            is_hidden=True,
        ),
    ]
    overdraft: Annotated[
        Mapping[str, int] | None,
        Option(
            "units that may be used on credit while the service is unknown, by entitlement name; in all processes of "
            "the ledger together.",
            arguments.overdraft,
        ),
    ]
    on_unknown: Annotated[
        OnUnknownName | None,
        Option(
            'what counts when the service cannot be asked: ``"grace"``, ``"deny"`` or ``"allow"``.',
            arguments.on_unknown,
            "grace",
            has_variable=True,
            strictness=_strictness_of_policy,
        ),
    ]
    grace: Annotated[
        Duration | None,
        Option(
            "seconds after the last good answer for which an unknown still counts as yes.",
            arguments.seconds,
            1800,
            has_variable=True,
            strictness=float,
        ),
    ]
    denial_ttl: Annotated[Duration | None, Option("seconds for which a no is remembered.", arguments.seconds, 5)]
    linger: Annotated[
        Duration | None,
        Option(
            "seconds for which an idle lease is kept and renewed before it is given back; None: a lease that is not "
            "used after its last renewal is left to lapse.",
            arguments.seconds,
        ),
    ]
    refresh_ahead: Annotated[
        float | None,
        Option("the last part of a lease's life in which it is renewed, between 0 and 1.", arguments.fraction, 0.2),
    ]
    timeout: Annotated[
        Duration | None,
        Option("seconds for one answer, retries and making the client included.", arguments.positive_seconds, 10),
    ]
    max_leases: Annotated[
        int | None,
        Option(
            "requirements remembered at once; the least recently used gives its lease back.", arguments.count, 10_000
        ),
    ]
    check_in_on_exit: Annotated[
        bool | None,
        Option(
            "give everything back when the process ends. An explicit ``close()`` always does.", arguments.flag, True
        ),
    ]


OPTIONS: Mapping[str, Option] = {
    name: hint.__metadata__[0]
    for options in (ProductOptions, GuardOptions)
    for name, hint in options.__annotations__.items()
}


def described(indent: str) -> str:
    """Return the options as lines of a docstring."""
    return "".join(f"\n{indent}:param {name}: {option.meaning}" for name, option in OPTIONS.items())


def signature() -> inspect.Signature:
    """Return the signature of a method that takes all options."""
    kinds = {ProductOptions: inspect.Parameter.POSITIONAL_OR_KEYWORD, GuardOptions: inspect.Parameter.KEYWORD_ONLY}
    return inspect.Signature(
        [
            inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
            *(
                inspect.Parameter(name, kind, default=OPTIONS[name].default, annotation=hint.__origin__)
                for options, kind in kinds.items()
                for name, hint in options.__annotations__.items()
            ),
        ],
        return_annotation=None,
    )


class Hidden(dict[str, Any]):
    """A dict whose repr shows none of its values: debug pages show the local variables of frames."""

    def __repr__(self) -> str:
        return f"<{len(self)} hidden>"


def check(given: Mapping[str, object]) -> Checked:
    """Check options that were given, and return all of them; those that were not given, or as None, are None.

    :raises TypeError: there is no such option.
    :raises ConfigurationError: a value is wrong; the message names the option.
    """
    given = Hidden(given)
    unknown = sorted(given.keys() - OPTIONS.keys())
    if unknown:
        raise TypeError(f"MeterGuard() got an unexpected keyword argument {unknown[0]!r}")
    checked, problem = Hidden(dict.fromkeys(OPTIONS)), None
    for name in given:
        try:
            checked[name] = _checked(name, given[name])
        except ConfigurationError as error:
            problem = error.with_traceback(None)  # its frames show the value
            break
    if problem is not None:
        raise problem
    return dict(checked)


def _checked(name: str, value: Any) -> Any:
    if value is None:
        return None
    option = OPTIONS[name]
    checked = option.check(name, value)
    return Secret(checked) if option.is_hidden and isinstance(checked, str) else checked


class Settings(NamedTuple):
    """The settings of a guard, known once it is used."""

    product_sku: str
    key_fingerprint: str
    beneficiary: str | None
    node_id: str | None
    region_name: str | None
    endpoint_url: str | None
    session: Any
    client: Any
    store: str | SharedStore
    ledger: str
    overdraft: Mapping[str, int] | None
    policy: "Policy"
    loopback_only: bool = False
    """True where a client of our own may only talk to this machine, as in tests."""
    store_key: str | None = None
    """The key under which tokens are sealed in a shared store."""


def settle(checked: Checked, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings that count: an argument beats its variable, which beats the default.

    Variables that belong to the buyer's machine only make it stricter: a laxer one is ignored, with one warning.

    :raises ConfigurationError: a required option is missing, or a variable is wrong.
    """
    from .core.policy import Policy

    environ = Hidden(os.environ if environ is None else environ)
    values = {name: _settled(name, checked[name], environ) for name in OPTIONS}
    policy = Policy(
        inline="AWS_LAMBDA_FUNCTION_NAME" in environ,
        **{name: values.pop(name) for name in Policy.__annotations__ if name in OPTIONS},
    )
    key = Secret(environ.get(STORE_KEY, "").strip()) or None
    return Settings(policy=policy, loopback_only=bool(environ.get(LOOPBACK_ONLY)), store_key=key, **values)


def settle_without_product(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the environment, with empty texts where it names no product or issuer.

    :raises ConfigurationError: a variable is wrong.
    """
    missing = {name: "" for name, option in OPTIONS.items() if option.is_required and said(name, environ) is None}
    return settle({**check({}), **missing}, environ)


def variable(name: str) -> str:
    """Return the environment variable that stands in for an option."""
    return f"METERGUARD_{name.upper()}"


def said(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """Return the text that the environment has for an option; None where it has none."""
    return (os.environ if environ is None else environ).get(variable(name), "").strip() or None


def _settled(name: str, value: Any, environ: Mapping[str, str]) -> Any:
    option = OPTIONS[name]
    found = _from_environment(name, environ) if option.has_variable else None
    declared = _checked(name, option.default) if value is None else value
    if option.strictness is not None:
        return _stricter(name, declared, found, option.strictness)
    settled = found if value is None and found is not None else declared
    if settled is None and option.is_required:
        raise ConfigurationError(
            f"{name} is missing: pass {name}= to MeterGuard or configure(), or set {variable(name)}"
        )
    return settled


def _stricter(name: str, declared: Any, found: Any, strictness: Callable[[Any], float]) -> Any:
    if found is None or strictness(found) == strictness(declared):
        return declared
    if strictness(found) < strictness(declared):
        return found
    import logging

    logging.getLogger("meterguard").warning(
        "%s is ignored: it can only make %s= of the program stricter, and is laxer", variable(name), name
    )
    return declared


def _from_environment(name: str, environ: Mapping[str, str]) -> Any:
    text = Secret(environ.get(variable(name), "").strip())
    if not text:
        return None
    is_number = OPTIONS[name].check is arguments.seconds
    try:
        return _checked(name, float(text) if is_number else str(text))
    except ValueError:
        raise ConfigurationError(f"{variable(name)} must be a number of seconds; got {str(text)!r}") from None
    except ConfigurationError as problem:
        raise ConfigurationError(f"{variable(name)}: {problem}") from None
