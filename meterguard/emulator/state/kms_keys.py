"""The table of the keys of KMS, which sign the tokens of licences whose issuers name them."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field

__all__ = ("KmsKey", "KmsKeys", "key_arn")


def key_arn(account: str, region: str, identifier: str) -> str:
    """Return the ARN of a key."""
    return f"arn:aws:kms:{region}:{account}:key/{identifier}"


@dataclass(frozen=True, slots=True)
class KmsKey:
    """One RSA key for signatures."""

    identifier: str
    account: str
    region: str
    spec: str
    created: float
    private_key_pem: str = field(repr=False)
    description: str = ""

    @property
    def arn(self) -> str:
        """Return the ARN of the key."""
        return key_arn(self.account, self.region, self.identifier)


class KmsKeys:
    """All keys. Which of them a caller may use is not decided here."""

    def __init__(self, keys: MutableMapping[str, KmsKey]) -> None:
        self._keys = keys

    def add(self, key: KmsKey) -> None:
        """Put a new key in the table."""
        self._keys[key.identifier] = key

    def find(self, name: str | None) -> KmsKey | None:
        """Return a key by its id or its ARN."""
        key = self._keys.get((name or "").rpartition("/")[2])
        return key if key is not None and name in (key.identifier, key.arn) else None
