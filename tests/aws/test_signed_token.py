"""Signed tokens: the true one is read, and whatever differs by a byte is not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from meterguard import ConfigurationError
from meterguard.aws import signed_token
from meterguard.aws.trusted_keys import TrustedKeys
from meterguard.ports import Allowed, Forged, SignedClaims
from meterguard.units import Unit

ISSUER, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
CLAIMS = {
    "licenseArn": "arn:aws:license-manager::111122223333:license:l-1",
    "licenseConsumptionToken": "consumption-token",
    "entitlementsAllowed": [
        {"name": "Seats", "value": "2", "unit": "Count"},
        {"name": "Export", "unit": "None"},
        {"name": "Odd", "value": {}, "unit": "Count"},
    ],
    "nodeId": "node-1",
    "issuedAt": "2026-11-30T10:00:00",
    "expiration": "2026-11-30T11:00:00",
    "checkoutMetadata": {"product": "ACME-1", "odd": 1},
}


def public(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header, claims, key=ISSUER):
    """A JWT that PyJWT would not make: its parts as they are, signed by PS384."""
    body = f"{base64url(header)}.{base64url(claims)}"
    signature = key.sign(body.encode(), signed_token._PADDING, signed_token.SHA384())
    return f"{body}.{base64url(signature)}"


KEYS = signed_token.read_keys("trusted_keys", [public(ISSUER)])
TRUE = jwt.encode(CLAIMS, ISSUER, algorithm="PS384")


def verify(token, keys=KEYS):
    return signed_token.verify(keys, token)


def test_the_claims_of_a_true_token_are_read():
    assert verify(TRUE) == SignedClaims(
        token="consumption-token",
        allowed=(Allowed("Seats", "2", Unit.COUNT), Allowed("Export", None, Unit.NONE)),
        license_arn=CLAIMS["licenseArn"],
        node_id="node-1",
        issued_at=datetime(2026, 11, 30, 10, tzinfo=UTC),
        expires_at=datetime(2026, 11, 30, 11, tzinfo=UTC),
        metadata={"product": "ACME-1"},
    )


def test_claims_that_are_absent_or_odd_are_none():
    odd = {"licenseArn": 7, "nodeId": "  ", "issuedAt": "soon", "entitlementsAllowed": "all"}
    assert verify(jwt.encode(odd, ISSUER, "PS384")) == SignedClaims(None, (), None, None, None, None, {})


def test_any_of_several_keys_may_have_signed():
    both = signed_token.read_keys("trusted_keys", [public(OTHER), public(ISSUER)])
    in_one_text = signed_token.read_keys("trusted_keys", [public(OTHER) + b"\n" + public(ISSUER)])
    for keys in (both, in_one_text):
        assert isinstance(verify(TRUE, keys), SignedClaims)
        assert isinstance(verify(jwt.encode(CLAIMS, OTHER, "PS384"), keys), SignedClaims)
    assert verify(TRUE, signed_token.read_keys("trusted_keys", [public(OTHER)])) == signed_token.WRONG_SIGNATURE


@pytest.mark.parametrize("algorithm", ["PS256", "PS512", "RS384"])
def test_other_algorithms_of_the_same_key_are_refused(algorithm):
    assert verify(jwt.encode(CLAIMS, ISSUER, algorithm)) == signed_token.WRONG_ALGORITHM


def test_the_public_key_is_no_secret_to_sign_with():
    body = f"{base64url(json.dumps({'alg': 'HS256', 'typ': 'JWT'}).encode())}.{TRUE.split('.')[1]}"
    mac = base64url(hmac.new(public(ISSUER), body.encode(), hashlib.sha256).digest())
    assert verify(f"{body}.{mac}") == signed_token.WRONG_ALGORITHM


ODD_HEADERS = {
    "none": {"alg": "none"},
    "lower case": {"alg": "ps384"},
    "a list": {"alg": ["PS384"]},
    "missing": {"typ": "JWT"},
    "critical": {"alg": "PS384", "crit": ["exp"]},
    "not encoded": {"alg": "PS384", "b64": False},
}


@pytest.mark.parametrize("header", ODD_HEADERS.values(), ids=ODD_HEADERS.keys())
def test_a_header_says_exactly_ps384(header):
    assert verify(signed(json.dumps(header).encode(), json.dumps(CLAIMS).encode())) == signed_token.WRONG_ALGORITHM


HEADER = b'{"alg":"PS384"}'
NO_JWTS = {
    "empty": "",
    "two parts": TRUE.rpartition(".")[0],
    "four parts": TRUE + ".",
    "a blank": f" {TRUE}",
    "padded": f"{TRUE}=",
    "a line": f"{TRUE}\n",
    "no ASCII": f"{TRUE}é",
    "a list of claims": signed(HEADER, b"[]"),
    "no JSON": signed(HEADER, b"{"),
    "not UTF-8": signed(HEADER, b'{"nodeId":"\xff"}'),
    "a claim twice": signed(HEADER, b'{"nodeId":"a","nodeId":"b"}'),
    "a member of a claim twice": signed(HEADER, b'{"checkoutMetadata":{"a":"1","a":"2"}}'),
    "an algorithm twice": signed(b'{"alg":"none","alg":"PS384"}', b"{}"),
    "deep": signed(HEADER, b'{"a":' + b"[" * 40_000),
    "long": TRUE + "A" * 70_000,
}


@pytest.mark.parametrize("token", NO_JWTS.values(), ids=NO_JWTS.keys())
def test_what_is_no_compact_jwt_is_refused(token):
    assert verify(token) == signed_token.NOT_A_JWT


@given(st.integers(0, len(TRUE) - 1), st.integers(0, 7))
def test_every_flipped_bit_is_refused(place, bit):
    flipped = TRUE[:place] + chr(ord(TRUE[place]) ^ (1 << bit)) + TRUE[place + 1 :]
    assert isinstance(verify(flipped), Forged)


@given(st.text(alphabet="ABab01-_.=", max_size=40))
def test_any_text_is_read_without_an_error(text):
    assert isinstance(verify(text), Forged)


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        (private(ISSUER), "this is a private key, and whoever has the product has it"),
        (public(ec.generate_private_key(ec.SECP256R1())), "this is no public RSA key in PEM"),
        (public(rsa.generate_private_key(65537, 1024)), "the key has 1024 bits, and must have 2048 or more"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "this is no public RSA key in PEM"),
        (b"", "this is no public RSA key in PEM"),
    ],
)
def test_what_is_no_public_rsa_key_is_named_and_not_shown(pem, why):
    with pytest.raises(ConfigurationError) as caught:
        signed_token.read_keys("trusted_keys", [public(ISSUER), pem])
    assert str(caught.value).startswith(f"trusted_keys, key 2: {why}")
    assert "AAAA" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_key_comes_from_a_file_that_is_read_once(tmp_path):
    file = tmp_path / "issuer.pem"
    file.write_bytes(public(ISSUER))
    keys = TrustedKeys((file,))
    assert isinstance(keys.proof(TRUE), SignedClaims)
    file.unlink()
    assert isinstance(keys.proof(TRUE), SignedClaims)


def test_without_keys_nothing_is_verified():
    assert TrustedKeys(None).proof(TRUE) is None


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(ConfigurationError, match=r"trusted_keys: nowhere/issuer.pem cannot be read \(No such file"):
        TrustedKeys((Path("nowhere/issuer.pem"),)).proof(TRUE)
