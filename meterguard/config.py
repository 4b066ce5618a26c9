"""The settings of a guard: its options as given, the environment where it counts, and the defaults.

The only place that reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from . import arguments
from .errors import ConfigurationError
from .options import LICENSE_MANAGER, MARKETPLACE_ENTITLEMENT, OPTIONS, Option
from .rows import SharedStore
from .secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from .core.policy import Policy

LOOPBACK_ONLY = "METERGUARD_LOOPBACK_ONLY"
STORE_KEY = "METERGUARD_STORE_KEY"
REFRESH_TOKEN_FILE = "METERGUARD_REFRESH_TOKEN_FILE"  # noqa: S105 - the name of a variable

endpoint_in_tests: str | None = None
"""The endpoint of guards that trust no environment and are given none. ``meterguard.testing`` sets it."""


Checked = Mapping[str, object]
"""All options, by name: what was given in the form that counts, and None."""


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
    if problem is None and checked["verify_signature"] == "required" and checked["trusted_keys"] is None:
        problem = ConfigurationError(
            "verify_signature='required' needs trusted_keys=: the issuer's public key, as GetPublicKey of KMS gives it"
        )
    if problem is None and checked["borrowed"] and checked["trusted_keys"] is None:
        problem = ConfigurationError(
            "borrowed= needs trusted_keys=: a borrowed licence is believed for its signature, and nobody else is asked"
        )
    if problem is not None:
        raise problem
    _check_authority(checked)
    _check_token(checked)
    return dict(checked)


def _check_authority(checked: Checked) -> None:
    """Check that each option that was given is one of the authority that is asked."""
    authority = checked["authority"] or LICENSE_MANAGER
    for name, option in OPTIONS.items():
        if checked[name] is not None and option.authority not in (None, authority):
            raise ConfigurationError(f"{name}= goes with authority={option.authority!r}, and this one is {authority!r}")
    if authority == MARKETPLACE_ENTITLEMENT and checked["customer"] is None:
        raise ConfigurationError(
            "authority='marketplace-entitlement' needs customer=: the CustomerAWSAccountId of the buyer, or a pair of "
            "it and the LicenseArn, as ResolveCustomer tells them"
        )


def _check_token(checked: Checked) -> None:
    if checked["refresh_token"] is None:
        return
    for other in ("client", "session"):
        if checked[other] is not None:
            raise ConfigurationError(f"give refresh_token= or {other}=, not both: {other}= has credentials of its own")


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
    policy: Policy
    trusted_keys: tuple[bytes | Path, ...] | None
    verify_signature: str | None
    trust_env: bool
    borrowed: bool | Path | None
    renew_borrowed: bool
    refresh_token: str | Path | None
    authority: str
    customer: tuple[str, str | None] | None
    loopback_only: bool = False
    """True where a client of our own may only talk to this machine, as in tests."""
    store_key: str | None = None
    """The key under which tokens are sealed in a shared store."""
    refresh_token_file: Path | None = None
    """The file of a refresh token, which counts where boto3 finds no other credentials."""
    origins: Mapping[str, str] = MappingProxyType({})
    """Where each option's value comes from: ``argument``, ``default`` or the name of a variable."""

    @property
    def scope(self) -> str:
        """The mark that tells this licence or contract apart in stores and ledgers."""
        from .core.scopes import scope_of, scope_of_contract

        if self.customer is None:
            return scope_of(self.product_sku, self.key_fingerprint, self.beneficiary)
        return scope_of_contract(self.product_sku, *self.customer)


def settle(checked: Checked, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings that count: an argument beats its variable, which beats the default.

    Variables that belong to the buyer's machine only make it stricter: a laxer one is ignored, with one warning.
    Without ``trust_env`` the environment only restricts, and says that this is Lambda.

    :raises ConfigurationError: a required option is missing, or a variable is wrong.
    """
    from .core.policy import Policy
    from .core.trust import Trust

    environ = Hidden(os.environ if environ is None else environ)
    trusted = environ if trusts_env(checked) else None
    authority = checked["authority"] or LICENSE_MANAGER
    values = {
        name: _settled(name, checked[name], trusted) if option.authority in (None, authority) else _unused(option)
        for name, option in OPTIONS.items()
    }
    if trusted is None and endpoint_in_tests is not None:
        values["endpoint_url"] = values["endpoint_url"] or endpoint_in_tests
    policy = Policy(
        inline="AWS_LAMBDA_FUNCTION_NAME" in environ,
        trust=Trust(is_required=values["verify_signature"] == "required", node_id=values["node_id"]),
        **{name: values.pop(name) for name in Policy.__annotations__ if name in OPTIONS},
    )
    key = Secret("" if trusted is None else trusted.get(STORE_KEY, "").strip()) or None
    return Settings(
        policy=policy,
        loopback_only=bool(environ.get(LOOPBACK_ONLY)),
        store_key=key,
        refresh_token_file=_refresh_token_file(values, trusted),
        origins={name: _origin(name, checked[name], trusted) for name in OPTIONS},
        **values,
    )


def _unused(option: Option) -> Any:
    """Return what stands for an option of another authority, whatever the environment says."""
    return "" if option.is_required else option.default


def _refresh_token_file(values: Mapping[str, Any], trusted: Mapping[str, str] | None) -> Path | None:
    """Return the file that the environment names; None where arguments say which credentials count."""
    path = "" if trusted is None else trusted.get(REFRESH_TOKEN_FILE, "").strip()
    is_open = all(values[name] is None for name in ("refresh_token", "session", "client", "customer"))
    if not path or not is_open:
        return None
    from pathlib import Path

    return Path(path)


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


def trusts_env(checked: Checked) -> bool:
    """Return True where variables stand in for options."""
    return checked["trust_env"] is not False


def _settled(name: str, value: Any, environ: Mapping[str, str] | None) -> Any:
    """Return the value of an option; ``environ`` is None where no variable is followed."""
    option = OPTIONS[name]
    found = _from_environment(name, environ) if option.has_variable and environ is not None else None
    declared = _checked(name, option.default) if value is None else value
    if option.strictness is not None:
        return _stricter(name, declared, found, option.strictness)
    settled = found if value is None and found is not None else declared
    if settled is None and option.is_required:
        advice = f", or set {variable(name)}" if environ is not None else "; trust_env=False follows no variable"
        raise ConfigurationError(f"{name} is missing: pass {name}= to MeterGuard or configure(){advice}")
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


def _origin(name: str, value: Any, environ: Mapping[str, str] | None) -> str:
    option, declared = OPTIONS[name], "default" if value is None else "argument"
    if environ is None or not option.has_variable or said(name, environ) is None:
        return declared
    if option.strictness is None:
        return variable(name) if value is None else declared
    found, most = _from_environment(name, environ), _checked(name, option.default) if value is None else value
    return variable(name) if option.strictness(found) < option.strictness(most) else declared


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
