"""The table of tags of licences and grants, and its limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Final

from ..protocol.errors import wrong_value
from ..protocol.messages import Parameters

__all__ = ("Tags",)

# AWS's limits for tags of any resource.
_MOST: Final = 50
_LONGEST_KEY: Final = 128
_LONGEST_VALUE: Final = 256


class Tags:
    """Keys and values by ARN."""

    def __init__(self, tags: MutableMapping[str, Mapping[str, str]]) -> None:
        self._tags = tags

    def put(self, arn: str, tags: Iterable[Parameters]) -> None:
        """Add tags to a resource, in place of those with the same keys; all of them or none."""
        merged = {**self._tags.get(arn, {}), **_read(tags)}
        if len(merged) > _MOST:
            raise wrong_value(f"A resource has at most {_MOST} tags.")
        if merged:
            self._tags[arn] = merged

    def remove(self, arn: str, keys: Iterable[str]) -> None:
        """Take tags away; keys that are not there do not matter."""
        gone = set(keys)
        self._tags[arn] = {key: value for key, value in self.of(arn).items() if key not in gone}

    def of(self, arn: str) -> dict[str, str]:
        """Return the tags of a resource."""
        return dict(self._tags.get(arn, {}))


def _read(tags: Iterable[Parameters]) -> dict[str, str]:
    read: dict[str, str] = {}
    for tag in tags:
        key, value = tag.get("Key", ""), tag.get("Value", "")
        if not 0 < len(key) <= _LONGEST_KEY or len(value) > _LONGEST_VALUE:
            raise wrong_value(f"A tag has a key of at most {_LONGEST_KEY} and a value of at most {_LONGEST_VALUE}.")
        if key.lower().startswith("aws:"):
            raise wrong_value("Keys that begin with aws: are reserved.")
        if key in read:
            raise wrong_value("Tags must not have the same key twice.")
        read[key] = value
    return read
