"""What rows in DynamoDB promise beyond the contract: one request a call, its clock, its expiry, its errors."""

from __future__ import annotations

import os
import socket
import traceback
import types

import boto3
import pytest
from botocore.stub import Stubber

from meterguard.errors import ConfigurationError
from meterguard.rows import Row, StoreFault
from meterguard.stores import dynamodb_rows
from meterguard.stores.dynamodb_rows import DynamodbRows

FIRST, SECOND, THIRD = Row("first", "1"), Row("second", "2"), Row("third", "3")
HOUR = 3600
ITEM = {"key": {"S": "a"}, "version": {"S": "first"}, "body": {"S": "1"}}
# 29 November 2026, 12:00:00 UTC
ANSWERED = {"HTTPStatusCode": 200, "HTTPHeaders": {"date": "Sun, 29 Nov 2026 12:00:00 GMT"}}
NOON = 1_795_953_600.0


@pytest.fixture
def store(dynamodb_table):
    store = DynamodbRows(f"dynamodb://{dynamodb_table}")
    yield store
    store.close()


@pytest.fixture
def requests(store):
    """The requests that are sent, as pairs of operation and parameters."""
    sent = []
    store.read("nothing")
    store._client.meta.events.register(
        "provide-client-params.dynamodb.*", lambda params, model, **_: sent.append((model.name, params))
    )
    return sent


@pytest.fixture
def stubbed(environment):
    """A store whose answers are told by a test, and who tells them."""
    store = DynamodbRows("dynamodb://leases?region=eu-west-1")
    store._client = dynamodb_rows._new_client(store._table, store._new_session)
    with Stubber(store._client) as stubber:
        yield store, stubber
    store.close()


# -- requests ----------------------------------------------------------------------------------------


def test_each_call_is_one_request(store, requests):
    store.replace("a", "", FIRST, 60)
    store.replace("a", "first", SECOND, 60)
    lost = store.replace("a", "first", THIRD, 60)
    assert (lost.is_won, lost.seen.row) == (False, SECOND)
    assert store.replace("a", "first", None, 60).seen.row == SECOND
    assert store.replace("a", "second", None, 60).is_won
    assert store.read("a").row is None
    assert [operation for operation, _ in requests] == ["PutItem"] * 3 + ["DeleteItem"] * 2 + ["GetItem"]
    writes = [params for _, params in requests[:5]]
    assert {params["ReturnValuesOnConditionCheckFailure"] for params in writes} == {"ALL_OLD"}


def test_what_was_written_last_is_read(store, requests):
    store.read("a")
    list(store.rows("a/"))
    assert [(operation, params["ConsistentRead"]) for operation, params in requests] == [
        ("GetItem", True),
        ("Scan", True),
    ]


def test_an_item_says_when_it_may_be_forgotten(store, dynamodb_table, monkeypatch):
    """In whole seconds, as DynamoDB wants it, and no earlier on a host whose clock is slow."""
    monkeypatch.setattr(dynamodb_rows, "time", types.SimpleNamespace(time=lambda: NOON + 0.5))
    store.replace("a", "", FIRST, 60)
    item = boto3.client("dynamodb").get_item(TableName=dynamodb_table, Key={"key": {"S": "a"}})["Item"]
    assert NOON + 60 < int(item.pop("forget_at")["N"]) < NOON + HOUR
    assert item == ITEM


def test_a_listing_follows_the_pages(stubbed):
    store, stubber = stubbed
    pages = [[{**ITEM, "key": {"S": f"a/{number}"}}] for number in range(3)]
    for number, items in enumerate(pages):
        more = {"LastEvaluatedKey": {"key": {"S": f"a/{number}"}}} if number < 2 else {}
        stubber.add_response("scan", {"Items": items, **more})
    assert [key for key, _ in store.rows("a/")] == ["a/0", "a/1", "a/2"]


def test_a_fault_in_the_middle_of_a_listing_is_no_end_of_it(stubbed):
    store, stubber = stubbed
    stubber.add_response("scan", {"Items": [ITEM], "LastEvaluatedKey": {"key": {"S": "a"}}})
    stubber.add_client_error("scan", "ThrottlingException", http_status_code=400)
    listed = iter(store.rows("a"))
    assert next(listed) == ("a", FIRST)
    with pytest.raises(StoreFault):
        next(listed)


# -- the clock ---------------------------------------------------------------------------------------


def test_the_clock_is_the_one_of_the_service(stubbed):
    store, stubber = stubbed
    stubber.add_response("get_item", {"Item": ITEM, "ResponseMetadata": ANSWERED})
    assert store.read("a").now == NOON
    stubber.add_response("put_item", {"ResponseMetadata": ANSWERED})
    assert store.replace("a", "first", SECOND, 60).seen.now == NOON
    stubber.add_client_error(
        "put_item",
        dynamodb_rows.CONDITION,
        http_status_code=400,
        modeled_fields={"Item": ITEM},
        response_meta={"HTTPHeaders": ANSWERED["HTTPHeaders"]},
    )
    lost = store.replace("a", "other", SECOND, 60)
    assert (lost.is_won, lost.seen.row, lost.seen.now) == (False, FIRST, NOON)


@pytest.mark.parametrize("headers", [{}, {"date": "noon"}])
def test_a_service_without_a_clock_has_the_one_of_this_host(stubbed, monkeypatch, headers):
    store, stubber = stubbed
    monkeypatch.setattr(dynamodb_rows, "time", types.SimpleNamespace(time=lambda: NOON + 0.5))
    stubber.add_response("get_item", {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": headers}})
    assert store.read("a").now == NOON + 0.5


# -- what cannot be had ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ProvisionedThroughputExceededException", 400),
        ("ThrottlingException", 400),
        ("RequestLimitExceeded", 400),
        ("InternalServerError", 500),
        ("ServiceUnavailable", 503),
        ("SomethingNew", 502),
    ],
)
def test_an_error_that_passes_is_a_fault(stubbed, code, status):
    store, stubber = stubbed
    for operation, ask in {
        "get_item": lambda: store.read("a"),
        "put_item": lambda: store.replace("a", "", FIRST, 60),
        "delete_item": lambda: store.replace("a", "first", None, 60),
        "scan": lambda: list(store.rows("")),
    }.items():
        stubber.add_client_error(operation, code, "of arn:aws:iam::111122223333:role/x", status)
        with pytest.raises(StoreFault, match=code) as raised:
            ask()
        told = "".join(traceback.format_exception(raised.value))
        assert "111122223333" not in told
        assert raised.value.__context__ is None


@pytest.mark.parametrize(
    "code",
    ["AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException", "InvalidSignatureException"],
)
def test_who_is_not_let_in_is_a_matter_of_the_set_up(stubbed, code):
    store, stubber = stubbed
    stubber.add_client_error("get_item", code, "User: arn:aws:iam::111122223333:user/x is not authorized", 400)
    with pytest.raises(ConfigurationError, match="GetItem, PutItem, DeleteItem and Scan") as raised:
        store.read("a")
    assert "111122223333" not in "".join(traceback.format_exception(raised.value))
    assert store._client is None, "the next call looks for credentials anew"


def test_without_a_table_the_commands_that_make_it_are_told(dynamodb_table):
    store = DynamodbRows("dynamodb://other_table")
    with pytest.raises(ConfigurationError) as raised:
        store.read("a")
    commands = str(raised.value).splitlines()[1:]
    assert [line.split()[:5] for line in commands] == [
        ["aws", "dynamodb", "create-table", "--table-name", "other_table"],
        ["aws", "dynamodb", "update-time-to-live", "--table-name", "other_table"],
    ]
    assert "AttributeName=forget_at" in commands[1]


def test_a_table_with_another_key_is_refused(dynamodb_table):
    boto3.client("dynamodb").create_table(
        TableName="others",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    with pytest.raises(ConfigurationError, match="needs the partition key 'key'"):
        DynamodbRows("dynamodb://others").read("a")


def test_without_credentials_it_is_a_matter_of_the_set_up(environment, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    store = DynamodbRows("dynamodb://leases")
    with pytest.raises(ConfigurationError, match="NoCredentialsError"):
        store.read("a")


def test_without_a_region_it_is_a_matter_of_the_set_up(environment, monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(ConfigurationError, match="NoRegionError"):
        DynamodbRows("dynamodb://leases").read("a")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    store = DynamodbRows("dynamodb://leases")
    assert store._opened().meta.region_name == "eu-central-1"
    store.close()


@pytest.fixture
def silent(environment, monkeypatch):
    """The URL of a host that accepts connections and says nothing."""
    monkeypatch.setattr(dynamodb_rows, "TIMEOUT", 0.1)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", listener


def test_a_service_that_does_not_answer_is_asked_twice(silent):
    url, listener = silent
    store = DynamodbRows(f"dynamodb://leases?endpoint_url={url}")
    with pytest.raises(StoreFault, match="ReadTimeoutError"):
        store.read("a")
    listener.settimeout(0)
    for _ in range(2):
        listener.accept()[0].close()
    with pytest.raises(BlockingIOError):
        listener.accept()
    store.close()


def test_a_service_that_is_not_there_is_a_fault(silent):
    url, listener = silent
    listener.close()
    store = DynamodbRows(f"dynamodb://leases?endpoint_url={url}")
    with pytest.raises(StoreFault, match="EndpointConnectionError"):
        store.read("a")
    store.close()


# -- the URL -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "dynamodb://",
        "dynamodb://ab",
        "dynamodb://le ases",
        "dynamodb://leases/more",
        "dynamodb://leases?zone=hidden",
        "dynamodb://leases?region=a&region=b",
        "dynamodb://leases?hidden",
        "dynamodb://[leases",
        "redis://leases",
    ],
)
def test_a_wrong_url_is_refused(url):
    with pytest.raises(ConfigurationError, match=r"must be dynamodb://TABLE") as raised:
        DynamodbRows(url)
    assert "hidden" not in "".join(traceback.format_exception(raised.value))


def test_an_endpoint_that_is_none_is_refused(environment):
    with pytest.raises(ConfigurationError, match="the endpoint"):
        DynamodbRows("dynamodb://leases?endpoint_url=nonsense").read("a")


def test_the_region_and_the_endpoint_are_in_the_url(environment):
    store = DynamodbRows("dynamodb://My-Leases_1.x?region=eu-west-1&endpoint_url=http://localhost:8000")
    meta = store._opened().meta
    assert (meta.region_name, meta.endpoint_url) == ("eu-west-1", "http://localhost:8000")
    assert "My-Leases_1.x" in store.describe()
    store.close()


def test_a_child_has_a_client_of_its_own(store):
    store.read("a")
    parents = store._client
    store.forget()
    store.read("a")
    assert store._client is not parents
    parents.close()
    store._pid = os.getppid()
    ours = store._client
    store.read("a")
    assert store._client is not ours, "also where no hook tells it"
    ours.close()
