"""GetCallerIdentity, AssumeRoleWithWebIdentity: who calls, and credentials for customers without an AWS account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..protocol.errors import ServiceError, malformed
from ..protocol.messages import Answer, Parameters
from ..protocol.wire import zoned
from ..state.sessions import ROLE, Session
from .call import Call

__all__ = ("assume_role_with_web_identity", "get_caller_identity")

# A role allows so much unless it is told otherwise, and AWS sets up the role of these customers so.
_MOST_SECONDS: Final = 3600


def get_caller_identity(call: Call, _parameters: Parameters) -> Answer:
    """Return the account and the ARN of whoever calls."""
    caller = call.caller
    session = call.state.sessions.find(caller.access_key)
    user_id = caller.account if session is None else session.user_id
    return {"UserId": user_id, "Account": caller.account, "Arn": caller.arn}


def assume_role_with_web_identity(call: Call, parameters: Parameters) -> Answer:
    """Give temporary credentials of a role to whoever holds an access token."""
    role = parameters["RoleArn"]
    if not ROLE.fullmatch(role):
        raise malformed("Request ARN is invalid")
    if "Policy" in parameters:
        # To pass over it would allow more than was asked for.
        raise ServiceError("MalformedPolicyDocument", "The emulator understands no session policies; leave it out.")
    seconds = parameters.get("DurationSeconds", _MOST_SECONDS)
    if seconds > _MOST_SECONDS:
        raise malformed("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    claims = _proven(call, parameters["WebIdentityToken"])
    if claims["roles"] and role not in claims["roles"]:
        raise ServiceError("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    session = Session(
        access_key=f"ASIA{call.new_id()[:16].upper()}",
        secret=call.new_id() + call.new_id()[:8],
        token=call.new_id() + call.new_id(),
        role=role,
        name=parameters["RoleSessionName"],
        expires=(call.now + seconds) // 1,
    )
    call.state.sessions.add(session)
    return _described(session, claims)


def _proven(call: Call, text: str) -> Mapping[str, Any]:
    """Return the claims of an access token that is the emulator's own and not over."""
    claims = call.signing.signer().claims(text)
    if claims is None:
        raise ServiceError("InvalidIdentityToken", "Couldn't verify the signature of the token.")
    if claims.get("token_use") != "access":
        raise ServiceError("InvalidIdentityToken", "The token is not an access token.")
    if call.now >= claims["exp"]:
        raise ServiceError("ExpiredTokenException", f"Token expired: it was valid until {zoned(claims['exp'])}")
    return claims


def _described(session: Session, claims: Mapping[str, Any]) -> Answer:
    return {
        "Credentials": {
            "AccessKeyId": session.access_key,
            "SecretAccessKey": session.secret,
            "SessionToken": session.token,
            "Expiration": zoned(session.expires),
        },
        "SubjectFromWebIdentityToken": claims["sub"],
        "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
        "Provider": claims["iss"],
        "Audience": claims["aud"],
    }
