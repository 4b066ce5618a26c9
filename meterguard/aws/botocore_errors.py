"""The meaning of boto3's exceptions without an answer, by class name, so that no boto3 is imported here."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..ports import FaultKind, ServiceFault

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 _.-]{0,60}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The meaning of an exception without an answer."""

    kind: FaultKind
    detail: str
    may_have_acted: bool = False
    is_text_safe: bool = False
    """True when botocore made the text from settings alone, so that it may be shown."""


_UNKNOWN = Breakdown(FaultKind.UNKNOWN, "boto3 failed in a way that meterguard does not know", may_have_acted=True)
_NOT_SENT = Breakdown(
    FaultKind.UNKNOWN,
    "no connection to it could be made; check the network, the proxy and the endpoint of this process",
)
_LOST = replace(_UNKNOWN, detail="the connection broke before its answer was complete")
_GARBLED = replace(_UNKNOWN, detail="its answer could not be read")
_CREDENTIALS = Breakdown(FaultKind.REFUSED, "the AWS credentials could not be loaded from their source")
_NO_CREDENTIALS = replace(
    _CREDENTIALS,
    detail="no AWS credentials were found: give the process a role, set AWS_PROFILE or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or pass session=",
)
_LOGIN = replace(
    _CREDENTIALS,
    detail="the AWS session has expired or cannot be used; log in again ('aws sso login' or 'aws login')",
)
_SETTINGS = Breakdown(FaultKind.INVALID, "the AWS configuration cannot be used", is_text_safe=True)
_REGION = replace(_SETTINGS, detail="region_name (or AWS_REGION) names no Region that boto3 can use")
_OLD = replace(_SETTINGS, detail="the installed boto3 does not know this service well enough; upgrade it")
_REQUEST = Breakdown(
    FaultKind.INVALID, "boto3 refuses to send the request; check the arguments that name the product and the licence"
)

BREAKDOWNS: Mapping[str, Breakdown] = {
    "BotoCoreError": _UNKNOWN,
    # Nothing left this machine.
    "ConnectionError": _NOT_SENT,
    "EndpointConnectionError": _NOT_SENT,
    "ConnectTimeoutError": replace(_NOT_SENT, detail="no connection to it was made in time"),
    "ProxyConnectionError": replace(_NOT_SENT, detail="the proxy could not be reached, or reaches nothing"),
    "CapacityNotAvailableError": replace(_NOT_SENT, detail="boto3's own rate limit held the request back"),
    # Something may have been sent.
    "SSLError": replace(_LOST, detail="the encrypted connection failed"),
    "HTTPClientError": replace(_LOST, detail="boto3's HTTP client failed"),
    "ReadTimeoutError": replace(_LOST, detail="no answer came in time"),
    "ConnectionClosedError": _LOST,
    "ResponseStreamingError": _LOST,
    "IncompleteReadError": _LOST,
    **dict.fromkeys(("ResponseParserError", "ChecksumError", "FlexibleChecksumError"), _GARBLED),
    # Who we are.
    "NoCredentialsError": _NO_CREDENTIALS,
    "PartialCredentialsError": replace(_CREDENTIALS, detail="the AWS credentials are incomplete"),
    "CredentialRetrievalError": _CREDENTIALS,
    "MetadataRetrievalError": _CREDENTIALS,
    "RefreshWithMFAUnsupportedError": replace(
        _CREDENTIALS, detail="the AWS credentials have expired, and a new MFA code is needed to renew them"
    ),
    **dict.fromkeys(("NoAuthTokenError", "TokenRetrievalError", "SSOError", "LoginError"), _LOGIN),
    # How things are set up.
    "ProfileNotFound": replace(_SETTINGS, detail="the AWS profile does not exist; check AWS_PROFILE or session="),
    "NoRegionError": Breakdown(FaultKind.INVALID, "no AWS Region is set: pass region_name= or set AWS_REGION"),
    **dict.fromkeys(("BaseEndpointResolverError", "InvalidRegionError", "UnknownRegionError"), _REGION),
    "ServiceNotInRegionError": _REGION,
    **dict.fromkeys(("DataNotFoundError", "ApiVersionNotFoundError", "UnsupportedServiceProtocolsError"), _OLD),
    **dict.fromkeys(
        (
            "ConfigNotFound",
            "ConfigParseError",
            "EndpointProviderError",
            "InvalidChecksumConfigError",
            "InvalidConfigError",
            "InvalidDefaultsMode",
            "InvalidEndpointConfigurationError",
            "InvalidIMDSEndpointError",
            "InvalidIMDSEndpointModeError",
            "InvalidProxiesConfigError",
            "InvalidRetryConfigurationError",
            "InvalidSTSRegionalEndpointsConfigError",
            "MissingDependencyException",
            "UnknownCredentialError",
            "UnknownSignatureVersionError",
            "UnknownTokenProviderError",
            "UnsupportedSignatureVersionError",
        ),
        _SETTINGS,
    ),
    # What we ask.
    "ParamValidationError": _REQUEST,
    "ValidationError": _REQUEST,
    "MissingParametersError": _REQUEST,
    "InvalidHostLabelError": _REQUEST,
    "UnknownClientMethodError": replace(_REQUEST, detail="client= is not a client of this service"),
}
"""The nearest ancestor that stands here decides."""

NEVER_CONNECTED = frozenset({"EndpointConnectionError"})
OF_CREDENTIALS = frozenset(name for name, row in BREAKDOWNS.items() if row.kind is FaultKind.REFUSED)


def ancestors(exc: BaseException) -> list[str]:
    """Return the names of an exception's classes that boto3 defines, the nearest first."""
    kinds = type(exc).__mro__
    return [kind.__name__ for kind in kinds if kind.__module__.startswith(("botocore.", "boto3."))]


def of_botocore(exc: BaseException) -> ServiceFault | None:
    """Return the fault for an exception of boto3; None when it is not boto3's."""
    names = ancestors(exc)
    row = next((BREAKDOWNS[name] for name in names if name in BREAKDOWNS), None)
    if row is None:
        return None
    acted = row.may_have_acted and not _is_untrusted_certificate(exc)
    return ServiceFault(row.kind, row.detail + _more(exc, row), code=names[0], may_have_acted=acted)


def _more(exc: BaseException, row: Breakdown) -> str:
    """Return what can be added to a row's text without giving a secret away."""
    if row.is_text_safe:
        return f" ({_without_secrets(str(exc))})"
    if _is_untrusted_certificate(exc):
        return " (the certificate is not trusted; check AWS_CA_BUNDLE and what stands between you and AWS)"
    given = getattr(exc, "kwargs", None)
    words = [given.get(key) for key in ("provider", "cred_var")] if isinstance(given, dict) else []
    shown = ", ".join(word for word in words if isinstance(word, str) and _PLAIN.fullmatch(word))
    return f" ({shown})" if shown else ""


def _without_secrets(text: str) -> str:
    text = re.sub(r"arn:\S+", "arn:...", text)
    text = re.sub(r"://[^\s/@]*@", "://...@", text)
    return " ".join(text.split())[:200]


def _is_untrusted_certificate(exc: BaseException) -> bool:
    """Return True when the handshake failed on the certificate, after which nothing is sent."""
    given = getattr(exc, "kwargs", None)
    seen: object = given.get("error") if isinstance(given, dict) else None
    for _ in range(5):
        if not isinstance(seen, BaseException):
            return False
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        seen = seen.args[0] if seen.args and isinstance(seen.args[0], BaseException) else seen.__cause__
    return False
