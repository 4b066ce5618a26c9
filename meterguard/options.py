"""The options of a guard: name, type, default, check and meaning, each said once."""

# Not "from __future__ import annotations": the table is read from the annotations of two classes.

import inspect
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Annotated, Any, NamedTuple, Protocol, TypedDict

from . import arguments
from .arguments import Authority, Customer, Duration, OnUnknownName
from .reasons import OnUnknown
from .rows import SharedStore

LICENSE_MANAGER, MARKETPLACE_ENTITLEMENT = "license-manager", "marketplace-entitlement"
"""The authorities that a guard may ask."""


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
    authority: str | None = None
    """The only authority that it is for; None: for each."""
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
            authority=LICENSE_MANAGER,
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
            authority=LICENSE_MANAGER,
        ),
    ]
    node_id: Annotated[
        str | None,
        Option("sent with each checkout, to tell instances apart.", has_variable=True, authority=LICENSE_MANAGER),
    ]
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
    trusted_keys: Annotated[
        arguments.PublicKeys | None,
        Option(
            "public keys of the issuer, one or several: PEM as text or bytes, or a ``Path``; RSA of 2048 bits or more. "
            "Signed answers are verified with them.",
            arguments.public_keys,
            authority=LICENSE_MANAGER,
        ),
    ]
    verify_signature: Annotated[
        arguments.VerifySignature | None,
        Option(
            '``"if-present"``: a signed answer must verify; ``"required"``: an unsigned one opens nothing. None: '
            '``"if-present"`` where there are trusted keys.',
            arguments.verify_signature,
            authority=LICENSE_MANAGER,
        ),
    ]
    trust_env: Annotated[
        bool | None,
        Option(
            "follow the environment where it says which host is asked, by which proxy, and whose certificates count. "
            "False: only arguments do, credentials and the Region excepted, and no variable stands in for an option.",
            arguments.flag,
            True,
        ),
    ]
    borrowed: Annotated[
        bool | str | PathLike[str] | None,
        Option(
            "answer from borrowed licences what they cover: True for those in this user's state directory, or the path "
            "of a file. Needs ``trusted_keys``.",
            arguments.borrowed,
            authority=LICENSE_MANAGER,
        ),
    ]
    renew_borrowed: Annotated[
        bool | None,
        Option(
            "borrow a licence that is in use anew, once half of its time has passed and the service can be asked.",
            arguments.flag,
            False,
            authority=LICENSE_MANAGER,
        ),
    ]
    refresh_token: Annotated[
        str | PathLike[str] | None,
        Option(
            "the refresh token of a customer without an AWS account, or a ``Path`` to a file that holds it.",
            arguments.refresh_token,
            is_hidden=True,
            authority=LICENSE_MANAGER,
        ),
    ]
    authority: Annotated[
        Authority | None,
        Option(
            'who answers: ``"license-manager"``, or ``"marketplace-entitlement"`` for what ``customer`` has bought in '
            "a SaaS contract; ``product_sku`` is the product code then.",
            arguments.authority,
            LICENSE_MANAGER,
        ),
    ]
    customer: Annotated[
        Customer | None,
        Option(
            "the customer of a SaaS contract: its ``CustomerAWSAccountId``, or a pair of it and a ``LicenseArn``.",
            arguments.customer,
            is_hidden=True,
            authority=MARKETPLACE_ENTITLEMENT,
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
