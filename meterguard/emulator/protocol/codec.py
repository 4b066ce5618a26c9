"""A codec: how the requests and answers of one protocol stand on the wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .errors import ServiceError
from .messages import Answer, Parameters
from .model import Operation

__all__ = ("Codec",)


@dataclass(frozen=True, slots=True)
class Codec:
    """The protocol of a service.

    ``content_type`` is that of requests, ``answer_type`` that of answers. ``decode`` reads the body of a request of an
    operation, None if the service has no such operation. ``encode`` and ``encode_error`` get the id of the request
    last; an error comes with its status. ``codes`` are the protocol's own codes of errors that services share.
    """

    content_type: str
    answer_type: bytes
    decode: Callable[[bytes, Operation | None], Answer]
    encode: Callable[[Operation, Parameters, str], bytes]
    encode_error: Callable[[ServiceError, int, str], bytes]
    codes: Mapping[str, str] = field(default_factory=dict)

    def check_content_type(self, kind: str | None) -> None:
        """Refuse a request of another protocol. One that names no protocol is taken for one of this."""
        if kind is not None and kind.partition(";")[0].strip().lower() != self.content_type:
            raise ServiceError("UnknownOperationException", f"Content-Type is not {self.content_type}.")

    def renamed(self, error: ServiceError) -> ServiceError:
        """Return an error that services share as this protocol names it."""
        code = self.codes.get(error.code)
        return error if code is None else ServiceError(code, error.message)
