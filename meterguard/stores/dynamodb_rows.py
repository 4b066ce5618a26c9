"""Rows of leases in a table of DynamoDB. In this room only this file knows boto3; it is imported at the first use.

A row is one item: the partition key ``key``, ``version``, ``body``, and ``forget_at`` for DynamoDB's own expiry.
"""

from __future__ import annotations

# The codec that sockets look up at their first connection: imported here, under the lock that forks wait for.
import encodings.idna  # noqa: F401
import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qs, urlsplit

import boto3  # type: ignore[import-untyped, unused-ignore]
from botocore import exceptions  # type: ignore[import-untyped, unused-ignore]
from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped, unused-ignore]

from ..errors import ConfigurationError
from ..rows import Row, Seen, StoreFault, Written
from ..secret import Secret

# With one retry and its pause a call takes about three seconds at most. A write may be sent twice: it is one write.
TIMEOUT, RETRIES = 1.0, 1
CONNECTIONS = 32
# A signature is refused where the clock of this host is wrong by more, so no item is forgotten early.
CLOCKS_DIFFER = 15 * 60

CONDITION = "ConditionalCheckFailedException"
PASSING = {
    *("ThrottlingException", "Throttling", "ProvisionedThroughputExceededException", "RequestLimitExceeded"),
    *("TransactionConflictException", "ReplicatedWriteConflictException", "InternalServerError"),
}
NOT_LET_IN = {
    *("AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException"),
    *("MissingAuthenticationTokenException", "IncompleteSignatureException", "InvalidClientTokenId"),
}
Answer = Mapping[str, Any]
NewSession = Callable[[str | None], Any]
"""Makes a session for a Region; None: the one that boto3 finds."""
NETWORK = (exceptions.HTTPClientError, exceptions.ConnectionError, ResponseParserError)
ACTIONS = "dynamodb:GetItem, PutItem, DeleteItem and Scan"


class _Table(NamedTuple):
    name: str
    region: str | None
    endpoint_url: str | None

    @property
    def commands(self) -> str:
        """The commands that make the table."""
        return (
            f"aws dynamodb create-table --table-name {self.name} --billing-mode PAY_PER_REQUEST "
            "--attribute-definitions AttributeName=key,AttributeType=S --key-schema AttributeName=key,KeyType=HASH\n"
            f"aws dynamodb update-time-to-live --table-name {self.name} "
            "--time-to-live-specification Enabled=true,AttributeName=forget_at"
        )


def _new_session(region: str | None) -> Any:
    """Return a session of our own: the default one is shared with the application."""
    return boto3.Session(region_name=region)


class DynamodbRows:
    """A ``SharedStore`` at a URL: ``dynamodb://table[?region=...][&endpoint_url=...]``.

    The table is somebody else's to make. A row lies there until DynamoDB forgets it, hours after its time.

    :param new_session: makes the session of its client; default: one that follows the environment, as boto3's do.
    """

    is_fleet = True

    def __init__(self, url: str, new_session: NewSession = _new_session) -> None:
        self._table, self._new_session = _parsed(Secret(url)), new_session
        self._client: Any = None
        self.forget()

    # -- the contract ------------------------------------------------------------------------------

    def read(self, key: str) -> Seen:
        """Return what is kept under a key."""
        answer = self._ask("get_item", Key={"key": {"S": key}}, ConsistentRead=True)
        return Seen(_row(answer.get("Item")), _now(answer))

    def replace(self, key: str, expected: str, row: Row | None, keep: float) -> Written:
        """Keep a row if nobody was faster."""
        how = _if_version(expected, row)
        if row is None:
            answer = self._ask("delete_item", Key={"key": {"S": key}}, **how)
        else:
            answer = self._ask("put_item", Item=_item(key, row, keep), **how)
        if "Error" in answer:  # the condition failed
            return Written(False, Seen(_row(answer.get("Item")), _now(answer)))
        return Written(True, Seen(row, _now(answer)))

    def rows(self, prefix: str) -> Iterator[tuple[str, Row]]:
        """Return the rows whose keys begin so, page by page.

        All of the table is read for it, and paid for. Whoever asks is an operator, or a process that begins.
        """
        how: dict[str, Any] = {}
        if prefix:
            how = {
                "FilterExpression": "begins_with(#key, :prefix)",
                "ExpressionAttributeNames": {"#key": "key"},
                "ExpressionAttributeValues": {":prefix": {"S": prefix}},
            }
        while True:
            answer = self._ask("scan", ConsistentRead=True, **how)
            for item in answer.get("Items", ()):
                if (row := _row(item)) is not None:
                    yield item["key"]["S"], row
            if not (last := answer.get("LastEvaluatedKey")):
                return
            how["ExclusiveStartKey"] = last

    def describe(self) -> str:
        """Return where it is."""
        return f"the table {self._table.name} of DynamoDB, for all hosts whose role may use it"

    def close(self) -> None:
        """Close the connections that nobody uses at the moment."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def forget(self) -> None:
        """In a forked child: connections are the parent's."""
        self._client = None
        self._making = threading.Lock()
        self._pid = os.getpid()

    # -- requests ----------------------------------------------------------------------------------

    def _ask(self, operation: str, **request: Any) -> Answer:
        """Return the answer, also one that says that a condition failed."""
        answer = self._sent(operation, request)
        # Raised where no exception of botocore, whose frames hold rows and credentials, is handled.
        if isinstance(answer, Exception):
            raise self._broken(answer)
        if answer.get("Error", {}).get("Code", CONDITION) != CONDITION:
            raise self._refused(answer)
        return answer

    def _sent(self, operation: str, request: Mapping[str, Any]) -> Answer | Exception:
        try:
            answer: Answer = getattr(self._opened(), operation)(TableName=self._table.name, **request)
        except exceptions.ClientError as refused:
            return cast(Answer, refused.response)
        except (exceptions.BotoCoreError, ResponseParserError, ValueError) as problem:  # the last: no such endpoint
            return problem
        return answer

    def _opened(self) -> Any:
        if self._pid != os.getpid():  # forked where no hook runs
            self.forget()
        client = self._client
        if client is None:
            with self._making:
                if (client := self._client) is None:
                    client = self._client = _new_client(self._table, self._new_session)
        return client

    # -- what is said ------------------------------------------------------------------------------

    def _refused(self, answer: Answer) -> StoreFault | ConfigurationError:
        """Return the meaning of an error of the service, whose text names roles and accounts, and stays here."""
        code, name = str(answer["Error"].get("Code")), self._table.name
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in PASSING or status >= 500:
            return StoreFault(f"the lease store in the table {name} of DynamoDB cannot be had now: {code}")
        if code == "ResourceNotFoundException":
            return ConfigurationError(
                f"DynamoDB has no table {name} in this account and Region. These commands make one:\n"
                f"{self._table.commands}"
            )
        if code in NOT_LET_IN:
            self._client = None  # only a new session reads credentials again
            return ConfigurationError(
                f"DynamoDB does not let the lease store use the table {name} ({code}): its credentials need {ACTIONS}."
            )
        return ConfigurationError(
            f"DynamoDB refuses the requests of the lease store ({code}): the table {name} needs the partition key "
            f"'key', a string, and no sort key. These commands make one:\n{self._table.commands}"
        )

    def _broken(self, problem: Exception) -> StoreFault | ConfigurationError:
        """Return the meaning of a failure without an answer."""
        kind, name = type(problem).__name__, self._table.name
        if isinstance(problem, NETWORK):
            return StoreFault(
                f"the lease store in the table {name} of DynamoDB cannot be had now: there was no answer ({kind})"
            )
        self._client = None
        return ConfigurationError(
            f"The table {name} of DynamoDB cannot be asked ({kind}): check the AWS credentials, the Region and the "
            "endpoint of this process."
        )


def _new_client(table: _Table, new_session: NewSession) -> Any:
    is_here = (urlsplit(table.endpoint_url or "").hostname or "") in {"localhost", "127.0.0.1", "::1"}
    config = Config(
        connect_timeout=TIMEOUT,
        read_timeout=TIMEOUT,
        retries={"max_attempts": RETRIES, "mode": "standard"},
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        user_agent_extra="meterguard",
        proxies={} if is_here else None,  # a proxy cannot reach this machine
    )
    region = table.region or os.environ.get("AWS_REGION") or None  # which boto3 alone does not read
    session = new_session(region)
    return session.client("dynamodb", region_name=region, endpoint_url=table.endpoint_url, config=config)


def _parsed(url: str) -> _Table:
    """Return the table of a URL. Raises without its text, which may hold a password of an endpoint."""
    found = re.fullmatch(r"dynamodb://([\w.-]{3,255})(?:\?(.*))?", url, re.ASCII)
    options = parse_qs(found[2] or "", keep_blank_values=True) if found else {}
    is_known = options.keys() <= {"region", "endpoint_url"} and all(len(values) == 1 for values in options.values())
    if not found or not is_known:
        raise ConfigurationError(
            "The lease store's URL must be dynamodb://TABLE[?region=REGION][&endpoint_url=URL], and a table's name has "
            "3 to 255 letters, digits, and the signs . _ -"
        )
    region, endpoint_url = (options.get(option, [""])[0] or None for option in ("region", "endpoint_url"))
    return _Table(found[1], region, endpoint_url)


def _if_version(expected: str, row: Row | None) -> dict[str, Any]:
    """Return the condition of a write: what is kept is what was expected, or what is to be written."""
    wanted = "" if row is None else row.version
    values = {f":v{number}": {"S": one} for number, one in enumerate(filter(None, (expected, wanted)))}
    tests = [f"#version = {name}" for name in values]
    how: dict[str, Any] = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD", "ExpressionAttributeNames": {}}
    if values:
        how["ExpressionAttributeValues"] = values
        how["ExpressionAttributeNames"]["#version"] = "version"
    if "" in (expected, wanted):
        tests.append("attribute_not_exists(#key)")
        how["ExpressionAttributeNames"]["#key"] = "key"
    return how | {"ConditionExpression": " OR ".join(tests)}


def _item(key: str, row: Row, keep: float) -> dict[str, Any]:
    forget_at = math.ceil(time.time() + keep) + CLOCKS_DIFFER
    return {
        "key": {"S": key},
        "version": {"S": row.version},
        "body": {"S": row.body},
        "forget_at": {"N": str(forget_at)},
    }


def _row(item: Mapping[str, Any] | None) -> Row | None:
    return Row(item["version"]["S"], item["body"]["S"]) if item else None


def _now(answer: Answer) -> float:
    """Return the time of the service, late by up to a second.

    Hosts may differ by minutes, and who takes over from another has to read the clock that the other one read. Its
    second is that in which the answer was made, so a lease can only look younger than it is, and by no more than that.
    """
    try:
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
    except (KeyError, ValueError, TypeError):  # of something that is not AWS
        return time.time()
