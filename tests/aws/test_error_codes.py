"""What a failure means: every code, every status, and everything that boto3 can raise."""

from __future__ import annotations

import ssl

import botocore.exceptions
import botocore.parsers
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from meterguard.aws.botocore_errors import BREAKDOWNS
from meterguard.aws.error_codes import KINDS, is_about_credentials, translate
from meterguard.ports import FaultKind, ServiceFault

ARN = "arn:aws:iam::111122223333:user/jane"
URL = "https://license-manager.us-east-1.amazonaws.com/"
UNKNOWN, REFUSED, INVALID = FaultKind.UNKNOWN, FaultKind.REFUSED, FaultKind.INVALID


def client_error(code, status=400, operation="CheckoutLicense", message=f"User: {ARN} is not", **headers):
    answer = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers, "RequestId": "6e1f-77"},
    }
    return ClientError(answer, operation)


def fault_of(exc, operation="CheckoutLicense"):
    fault = translate(exc, operation)
    assert ARN not in fault.detail
    assert str(fault) == fault.detail
    return fault


@pytest.mark.parametrize("code", sorted(KINDS))
def test_a_code_means_what_the_table_says(code):
    fault = fault_of(client_error(code))
    assert (fault.kind, fault.code, fault.request_id) == (KINDS[code], code, "6e1f-77")
    assert code in fault.detail


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        ("NoEntitlementsAllowedException EntitlementNotAllowedException", FaultKind.DENIED),
        ("ResourceNotFoundException", FaultKind.NOT_FOUND),
        ("AccessDeniedException AuthorizationException AccessDenied ExpiredTokenException", REFUSED),
        ("ExpiredToken UnrecognizedClientException InvalidClientTokenId InvalidSignatureException", REFUSED),
        ("SignatureDoesNotMatch IncompleteSignature MissingAuthenticationToken OptInRequired", REFUSED),
        ("RateLimitExceededException ThrottlingException Throttling TooManyRequestsException", UNKNOWN),
        ("ServerInternalException ServiceUnavailable InternalFailure RequestTimeout SlowDown", UNKNOWN),
        ("ConflictException", UNKNOWN),
        ("RedirectException", FaultKind.UNREACHABLE),
        ("ValidationException InvalidParameterValueException", INVALID),
        ("UnsupportedDigitalSignatureMethodException", INVALID),
    ],
)
def test_the_table_says_what_the_design_says(codes, kind):
    assert {KINDS[code] for code in codes.split()} == {kind}


@pytest.mark.parametrize(
    ("code", "status", "kind", "acted"),
    [
        ("SomethingNewException", 400, INVALID, False),
        ("SomethingNewException", 404, INVALID, False),
        ("SomethingNewException", 403, REFUSED, False),
        ("SomethingNewException", 401, REFUSED, False),
        ("SomethingNewException", 429, UNKNOWN, False),
        ("SomethingNewException", 408, UNKNOWN, False),
        ("SomethingNewException", 500, UNKNOWN, True),
        ("NewThrottlingException", 400, UNKNOWN, False),
        ("ServerInternalException", 400, UNKNOWN, True),
        ("RateLimitExceededException", 429, UNKNOWN, False),
        ("NoEntitlementsAllowedException", 400, FaultKind.DENIED, False),
    ],
)
def test_a_code_and_its_status(code, status, kind, acted):
    fault = fault_of(client_error(code, status))
    assert (fault.kind, fault.may_have_acted) == (kind, acted)


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 407, 408, 413, 429, 500, 502, 503, 504])
def test_a_page_that_a_proxy_made_is_not_the_services_answer(status):
    exc = client_error(str(status), status)
    del exc.response["ResponseMetadata"]["RequestId"]
    fault = fault_of(exc)
    assert (fault.kind, fault.code, fault.may_have_acted) == (UNKNOWN, str(status), True)


def test_the_services_own_403_is_a_refusal_even_without_a_code():
    assert fault_of(client_error("403", 403)).kind is REFUSED


def test_a_code_that_is_in_the_header_only_is_found():
    named = {"x-amzn-errortype": "com.amazonaws.licensemanager#AccessDeniedException:http://x/"}
    fault = fault_of(client_error("400", 400, **named))
    assert (fault.kind, fault.code) == (REFUSED, "AccessDeniedException")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"x-amz-retry-after": "1500", "retry-after": "7"}, 1.5),
        (
            {"retry-after": "Sun, 01 Mar 2026 10:00:30 GMT", "date": "Sun, 01 Mar 2026 10:00:10 GMT"},
            20.0,
        ),
        ({"retry-after": "Sun, 01 Mar 2026 10:00:30 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "soon"}, None),
    ],
)
def test_the_services_wish_to_be_left_alone(headers, seconds):
    assert fault_of(client_error("RateLimitExceededException", **headers)).retry_after == seconds


@pytest.mark.parametrize("operation", ["CheckoutLicense", "CheckInLicense", "ExtendLicenseConsumption"])
def test_a_refusal_names_the_action(operation):
    fault = fault_of(client_error("AccessDeniedException", operation=operation), operation)
    assert f"license-manager:{operation}" in fault.detail


def test_a_wrong_clock_is_told_from_a_wrong_key():
    date = {"date": "Sun, 01 Mar 2026 10:00:05 GMT"}
    late = client_error("InvalidSignatureException", message="Signature expired: 20260101 is now", **date)
    wrong = client_error("InvalidSignatureException", message="The request signature we calculated", **date)
    assert "clock of this machine is wrong" in fault_of(late).detail
    assert "2026-03-01T10:00:05" in fault_of(late).detail
    assert "secret access key" in fault_of(wrong).detail
    assert "clock of this machine is wrong" in fault_of(client_error("RequestExpired")).detail


def test_a_redirect_names_the_region_to_set():
    exc = client_error("RedirectException")
    exc.response["Location"] = "https://license-manager.eu-west-1.amazonaws.com"
    assert "region_name='eu-west-1'" in fault_of(exc).detail
    assert "region_name" in fault_of(client_error("RedirectException")).detail


@pytest.mark.parametrize(
    ("code", "kind"), [("AccessDenied", REFUSED), ("InvalidIdentityToken", REFUSED), ("Throttling", UNKNOWN)]
)
def test_who_gives_no_credentials_is_not_taken_for_the_service(code, kind):
    exc = client_error(code, operation="AssumeRole")
    fault = fault_of(exc)
    assert (fault.kind, fault.may_have_acted) == (kind, False)
    assert "AssumeRole" in fault.detail
    assert "license-manager:" not in fault.detail
    assert is_about_credentials(exc)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"Error": None},
        {"Error": "x", "ResponseMetadata": 5},
        {"Error": {"Code": 5}, "ResponseMetadata": {"HTTPStatusCode": "400", "HTTPHeaders": []}},
        {"Error": {"Code": f"Oops {ARN}"}, "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": ARN * 9}},
        {"Error": {"Code": "X" * 5000}},
    ],
    ids=lambda answer: repr(answer)[:50],
)
def test_a_forged_error_answer_is_unknown_and_leaves_no_trace(answer):
    exc = ClientError({}, "CheckoutLicense")
    exc.response = answer
    fault = fault_of(exc)
    assert fault.kind is UNKNOWN
    assert fault.may_have_acted
    assert fault.request_id is None


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.dictionaries(st.text(), x) | st.lists(x)))
def test_whatever_an_error_answer_holds_it_becomes_a_fault(value):
    exc = ClientError({}, "CheckoutLicense")
    exc.response = {"Error": {"Code": value, "Message": value}, "ResponseMetadata": value, "Location": value}
    assert isinstance(translate(exc, "CheckoutLicense"), ServiceFault)


# -- what boto3 raises ---------------------------------------------------------------------------

# These belong to other services, to paginators, waiters and stubs, or are roots that nobody raises.
CANNOT_SURFACE = {
    *("AliasConflictParameterError", "AwsChunkedWrapperError", "BotoCoreError", "EventStreamError"),
    *("InvalidDNSNameError", "InvalidEndpointDiscoveryConfigurationError", "InvalidExpressionError"),
    *("InvalidS3AddressingStyleError", "InvalidS3UsEast1RegionalEndpointConfigError", "MD5UnavailableError"),
    *("MissingServiceIdError", "OperationNotPageableError", "PaginationError", "StubAssertionError"),
    *("StubResponseError", "UnStubbedResponseError", "UndefinedModelAttributeError", "UnknownServiceStyle"),
    *(
        "UnseekableStreamError",
        "UnsupportedOutpostResourceError",
        "UnsupportedS3AccesspointConfigurationError",
    ),
    *("UnsupportedS3ArnError", "UnsupportedS3ConfigurationError", "UnsupportedS3ControlArnError"),
    *("UnsupportedS3ControlConfigurationError", "WaiterConfigError", "WaiterError"),
}
RAISED = {
    name: kind
    for name, kind in vars(botocore.exceptions).items()
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, Warning)
    if kind.__module__ == "botocore.exceptions" and name != "ClientError"
}


def blank(name):
    """An exception of this class, however many arguments it wants."""
    exc = RAISED[name].__new__(RAISED[name])
    exc.kwargs = {}
    return exc


@pytest.mark.parametrize("name", sorted(RAISED.keys() - CANNOT_SURFACE))
def test_everything_that_boto3_raises_is_mapped(name):
    mapped = [kind.__name__ for kind in RAISED[name].__mro__ if kind.__name__ in BREAKDOWNS]
    assert mapped[0] != "BotoCoreError"
    fault = fault_of(blank(name))
    assert fault.kind is BREAKDOWNS[mapped[0]].kind
    assert fault.code == name


def test_the_table_holds_nothing_that_boto3_does_not_raise():
    newer = {
        "InvalidChecksumConfigError",
        "LoginError",
        "UnknownTokenProviderError",
    }  # than the oldest allowed
    newer |= {"UnsupportedServiceProtocolsError"}
    assert BREAKDOWNS.keys() - RAISED.keys() - newer == {"ResponseParserError"}


@pytest.mark.parametrize(
    ("name", "kind", "acted"),
    [
        ("EndpointConnectionError", UNKNOWN, False),
        ("ConnectTimeoutError", UNKNOWN, False),
        ("ProxyConnectionError", UNKNOWN, False),
        ("SSLError", UNKNOWN, True),
        ("ReadTimeoutError", UNKNOWN, True),
        ("ConnectionClosedError", UNKNOWN, True),
        ("HTTPClientError", UNKNOWN, True),
        ("IncompleteReadError", UNKNOWN, True),
        ("ParamValidationError", INVALID, False),
        ("ProfileNotFound", INVALID, False),
        ("NoCredentialsError", REFUSED, False),
        ("PartialCredentialsError", REFUSED, False),
        ("CredentialRetrievalError", REFUSED, False),
        ("UnauthorizedSSOTokenError", REFUSED, False),
        ("TokenRetrievalError", REFUSED, False),
    ],
)
def test_what_breaks_means_this(name, kind, acted):
    fault = fault_of(blank(name))
    assert (fault.kind, fault.may_have_acted) == (kind, acted)
    assert is_about_credentials(blank(name)) is (kind is REFUSED)


def test_a_certificate_that_is_not_trusted_is_named_and_nothing_was_sent():
    why = ssl.SSLCertVerificationError("certificate verify failed")
    fault = fault_of(botocore.exceptions.SSLError(endpoint_url=URL, error=OSError(why)))
    assert not fault.may_have_acted
    assert "certificate" in fault.detail


def test_a_credential_source_is_named_and_what_it_said_is_not():
    said = f"{ARN} said AKIAABCDEFGH"
    exc = botocore.exceptions.CredentialRetrievalError(provider="custom-process", error_msg=said)
    assert "custom-process" in fault_of(exc).detail
    assert "AKIA" not in fault_of(exc).detail
    exc = botocore.exceptions.PartialCredentialsError(provider="env", cred_var="aws_secret_access_key")
    assert "env, aws_secret_access_key" in fault_of(exc).detail


def test_text_about_settings_is_shown_without_its_secrets():
    text = f"role {ARN} at https://me:pass@proxy/ \n is odd"
    detail = fault_of(botocore.exceptions.InvalidConfigError(error_msg=text)).detail
    assert "is odd" in detail
    assert "pass" not in detail
    assert "\n" not in detail


def test_a_new_kind_of_boto_error_is_unknown():
    class NewError(botocore.exceptions.BotoCoreError):
        fmt = "new"

    NewError.__module__ = "botocore.exceptions"
    assert fault_of(NewError()).kind is UNKNOWN


def test_an_answer_that_breaks_the_parser_is_unknown():
    with pytest.raises(botocore.parsers.ResponseParserError) as caught:
        raise botocore.parsers.ResponseParserError(ARN)
    assert fault_of(caught.value).may_have_acted


@pytest.mark.parametrize("exc", [TimeoutError(ARN), ConnectionResetError(ARN), OSError(ARN)], ids=repr)
def test_an_operating_system_error_is_unknown(exc):
    fault = fault_of(exc)
    assert (fault.kind, fault.may_have_acted) == (UNKNOWN, True)


@pytest.mark.parametrize("exc", [TypeError("x"), AttributeError("x"), ZeroDivisionError()], ids=repr)
def test_a_mistake_in_somebodys_code_stays_what_it_is(exc):
    with pytest.raises(type(exc)) as caught:
        translate(exc, "CheckoutLicense")
    assert caught.value is exc
