"""CreateToken, GetAccessToken, ListTokens, DeleteToken."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..protocol.errors import ServiceError, malformed
from ..protocol.messages import Answer, Parameters
from ..protocol.wire import zoned
from ..state.licenses import License
from ..state.tokens import RefreshToken
from .call import Call, require_home
from .descriptions import present
from .pagination import Filters, page, wanted

__all__ = ("create_token", "delete_token", "get_access_token", "list_tokens")

_ISSUER: Final = "https://openid-license-manager.amazonaws.com"
_KIND: Final = "REFRESH_TOKEN"
_DAY: Final = 24 * 3600
_ACCESS_SECONDS: Final = 3600
_DEFAULT_DAYS: Final = 365

_FILTERS: Final[Filters[RefreshToken]] = {"LicenseArns": lambda token, now: token.licence_arn}


def create_token(call: Call, parameters: Parameters) -> Answer:
    """Make a refresh token for a licence that the caller's account issued, or may make tokens for."""
    licence = _tokenable(call, parameters["LicenseArn"])
    days = parameters.get("ExpirationInDays", _DEFAULT_DAYS)
    if days < 1:
        raise malformed("ExpirationInDays must be positive.")
    identifier, sign = call.new_id(), call.signing.signer().sign
    expires = call.now + _DAY * days
    properties, roles = tuple(parameters.get("TokenProperties", ())), tuple(parameters.get("RoleArns", ()))
    token = RefreshToken(
        identifier=identifier,
        text="",
        licence_arn=licence.arn,
        account=call.caller.account,
        expires=expires,
        properties=properties,
        roles=roles,
    )
    token = replace(token, text=sign({**_claims(token, call.now, expires), "jti": identifier, "token_use": "refresh"}))
    call.state.tokens.add(token)
    return {"TokenId": identifier, "TokenType": _KIND, "Token": token.text}


def get_access_token(call: Call, parameters: Parameters) -> Answer:
    """Give an hour's access to whoever holds a refresh token; the caller's account does not matter."""
    token = call.state.tokens.read(parameters["Token"])
    if token is None or not token.is_good_at(call.now):
        raise ServiceError(call.state.behavior.no_access_error, "The token is not valid.")
    if not set(parameters.get("TokenProperties", ())) <= set(token.properties):
        raise ServiceError(call.state.behavior.no_access_error, "The token does not have these properties.")
    sign = call.signing.signer().sign
    claims = _claims(token, call.now, call.now + _ACCESS_SECONDS)
    return {"AccessToken": sign({**claims, "jti": call.new_id(), "sub": token.identifier, "token_use": "access"})}


def list_tokens(call: Call, parameters: Parameters) -> Answer:
    """List the tokens that the caller's account made, deleted ones too."""
    passes, identifiers = wanted(_FILTERS, parameters, call.now), parameters.get("TokenIds")
    found = [
        token
        for token in call.state.tokens
        if token.account == call.caller.account
        and (identifiers is None or token.identifier in identifiers)
        and passes(token)
    ]
    given, more = page("ListTokens", found, parameters, lambda token: token.identifier)
    return {"Tokens": [_described(token) for token in given], **more}


def delete_token(call: Call, parameters: Parameters) -> Answer:
    """Delete a token that the caller's account made. Access that it gave before lives to its end."""
    token = call.state.tokens.find(parameters["TokenId"])
    licence = None if token is None else call.state.license(token.licence_arn)
    if token is None or licence is None or token.account != call.caller.account:
        raise ServiceError("ResourceNotFoundException", "The token was not found.")
    require_home(call, licence)
    call.state.tokens.delete(token.identifier)
    return {}


def _tokenable(call: Call, arn: str) -> License:
    licence, account = call.state.license(arn), call.caller.account
    if licence is None or licence.status == "DELETED" or not call.state.is_visible(licence, account):
        raise ServiceError("ResourceNotFoundException", "The license was not found.")
    require_home(call, licence)
    if licence.issuer_account != account and call.state.grants.allowing(arn, account, "CreateToken") is None:
        raise ServiceError(call.state.behavior.not_granted_error, "No active grant allows CreateToken.")
    return licence


def _claims(token: RefreshToken, now: float, expires: float) -> Answer:
    """Return the claims of both kinds of token: the licence, the account that made it, its properties and its roles."""
    return {
        "iss": _ISSUER,
        "aud": token.licence_arn,
        "amr": [*token.properties, f"aws:license-manager:token-issuer-account-id:{token.account}"],
        "roles": list(token.roles),
        "iat": int(now // 1),
        "exp": int(expires // 1),
    }


def _described(token: RefreshToken) -> Answer:
    return present(
        {
            "TokenId": token.identifier,
            "TokenType": _KIND,
            "LicenseArn": token.licence_arn,
            "ExpirationTime": zoned(token.expires),
            "TokenProperties": list(token.properties),
            "RoleArns": list(token.roles),
            "Status": token.status,
        }
    )
