"""CreateKey, DescribeKey, GetPublicKey, Sign: RSA keys of KMS for the signed tokens of licences."""

from __future__ import annotations

import base64
from typing import Final

from ..protocol.errors import ServiceError, malformed
from ..protocol.messages import Answer, Parameters
from ..state.kms_keys import KmsKey, key_arn
from .call import Call

__all__ = ("create_key", "describe_key", "get_public_key", "sign")

_BITS: Final = {"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}
_USAGE: Final = "SIGN_VERIFY"
_ALGORITHMS: Final = tuple(
    f"RSASSA_{padding}_SHA_{bits}" for padding in ("PKCS1_V1_5", "PSS") for bits in (256, 384, 512)
)


def create_key(call: Call, parameters: Parameters) -> Answer:
    """Make an RSA key for signatures. One of 4096 bits takes seconds, and meanwhile nobody is answered."""
    from ..protocol.rsa_keys import RsaKey

    spec = _wanted_spec(parameters)
    digits = call.new_id()
    key = KmsKey(
        identifier="-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])),
        account=call.caller.account,
        region=call.caller.region,
        spec=spec,
        created=call.now,
        private_key_pem=RsaKey(bits=_BITS[spec]).private_key_pem,
        description=parameters.get("Description", ""),
    )
    call.state.kms_keys.add(key)
    return {"KeyMetadata": _metadata(key)}


def describe_key(call: Call, parameters: Parameters) -> Answer:
    """Return what is known of a key."""
    return {"KeyMetadata": _metadata(_found(call, parameters["KeyId"]))}


def get_public_key(call: Call, parameters: Parameters) -> Answer:
    """Return the public part of a key, in DER."""
    from ..protocol.rsa_keys import RsaKey

    key = _found(call, parameters["KeyId"])
    public = RsaKey(key.private_key_pem).public_key_der
    return {"KeyId": key.arn, "PublicKey": base64.b64encode(public).decode(), **_uses(key)}


def sign(call: Call, parameters: Parameters) -> Answer:
    """Sign a message, or the digest of one."""
    from ..protocol.rsa_keys import RsaKey, digest_length

    key, algorithm = _found(call, parameters["KeyId"]), parameters["SigningAlgorithm"]
    message, kind = base64.b64decode(parameters["Message"]), parameters.get("MessageType", "RAW")
    if algorithm not in _ALGORITHMS:
        raise ServiceError(
            "InvalidKeyUsageException", f"Algorithm {algorithm} is incompatible with key spec {key.spec}."
        )
    if kind not in ("RAW", "DIGEST"):
        raise malformed(f"MessageType {kind} is not for {algorithm}.")
    if kind == "DIGEST" and len(message) != digest_length(algorithm):
        raise malformed(f"Digest is invalid length for algorithm {algorithm}.")
    if parameters.get("DryRun", False):
        raise ServiceError(
            "DryRunOperationException", "The request would have succeeded, but the DryRun option is set."
        )
    signature = RsaKey(key.private_key_pem).sign(message, algorithm, is_digest=kind == "DIGEST")
    return {"KeyId": key.arn, "Signature": base64.b64encode(signature).decode(), "SigningAlgorithm": algorithm}


def _wanted_spec(parameters: Parameters) -> str:
    """Return the kind of key that is asked for, or refuse what is none of those that sign tokens."""
    if "KeySpec" in parameters and "CustomerMasterKeySpec" in parameters:
        raise malformed("You cannot specify KeySpec and CustomerMasterKeySpec in the same request.")
    spec: str = parameters.get("KeySpec", parameters.get("CustomerMasterKeySpec", "SYMMETRIC_DEFAULT"))
    if spec != "SYMMETRIC_DEFAULT" and "KeyUsage" not in parameters:
        raise malformed("You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
    if spec not in _BITS or parameters["KeyUsage"] != _USAGE:
        raise ServiceError(
            "UnsupportedOperationException",
            f"The emulator makes keys of {', '.join(_BITS)} with KeyUsage {_USAGE}, which sign tokens, and no others.",
        )
    return spec


def _found(call: Call, name: str) -> KmsKey:
    account, region = call.caller.account, call.caller.region
    key = call.state.kms_keys.find(name)
    if key is None or key.region != region or (key.account != account and name != key.arn):
        arn = name if ":" in name or "/" in name else key_arn(account, region, name)
        raise ServiceError("NotFoundException", f"Key '{arn}' does not exist")
    if key.account != account:
        raise ServiceError(
            "AccessDeniedException", f"User: {call.caller.arn} is not authorized to use a key of another account"
        )
    return key


def _metadata(key: KmsKey) -> Answer:
    return {
        "AWSAccountId": key.account,
        "KeyId": key.identifier,
        "Arn": key.arn,
        "CreationDate": round(key.created, 3),
        "Enabled": True,
        "Description": key.description,
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "MultiRegion": False,
        **_uses(key),
    }


def _uses(key: KmsKey) -> Answer:
    return {
        "KeySpec": key.spec,
        "CustomerMasterKeySpec": key.spec,
        "KeyUsage": _USAGE,
        "SigningAlgorithms": list(_ALGORITHMS),
    }
