"""An emulator and clients of it: real boto3 over HTTP, and bare sockets for what boto3 would not send."""

from __future__ import annotations

import http.client
import json
from itertools import count

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.session import Session

from meterguard.emulator import Emulator

SESSION = Session()
SESSION.register_component("data_loader", Loader())
ONE_ATTEMPT = Config(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=20)


@pytest.fixture
def lm(environment):
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def connect(lm):
    """``connect(access_key=, region=, config=)``: a boto3 client, closed when the test ends."""
    clients = []

    def make(access_key="testing", region=None, config=ONE_ATTEMPT, url=None):
        # One session for all: to make one takes twice as long as to make a client.
        clients.append(
            boto3.Session(botocore_session=SESSION).client(
                "license-manager",
                endpoint_url=url or lm.url,
                region_name=region or lm.region,
                config=config,
                aws_access_key_id=access_key,
                aws_secret_access_key="secret",
            )
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def connect_to(lm):
    """``connect_to(service, access_key=, region=, url=, config=)``: a boto3 client of a neighbour."""
    clients = []

    def make(service, access_key="testing", region=None, url=None, config=ONE_ATTEMPT):
        clients.append(
            boto3.Session(botocore_session=SESSION).client(
                service,
                endpoint_url=url or lm.url,
                region_name=region or lm.region,
                config=config,
                aws_access_key_id=access_key,
                aws_secret_access_key="secret",
            )
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(connect):
    return connect()


@pytest.fixture
def licence(lm):
    """Three seats and a feature, received from another account."""
    return lm.add_license("ACME-1", [("Seats", 3, "Count"), ("Export", None, "None")], ttl=3600)


@pytest.fixture
def take(request, licence):
    """``take(Seats=1, Export=None)``: check that out. ``token=`` is the ``ClientToken``."""
    tokens = count()

    def check_out(token=None, kind="PROVISIONAL", using=None, of=licence, **amounts):
        using = using or request.getfixturevalue("client")
        more = {name: amounts.pop(name) for name in ("NodeId", "Beneficiary") if name in amounts}
        return using.checkout_license(
            ProductSKU=of.product_sku,
            KeyFingerprint=of.key_fingerprint,
            CheckoutType=kind,
            ClientToken=token or f"token-{next(tokens)}",
            Entitlements=[asked(name, amount) for name, amount in amounts.items()],
            **more,
        )

    return check_out


def asked(name, amount):
    if amount is None:
        return {"Name": name, "Unit": "None"}
    return {"Name": name, "Unit": "Count", "Value": str(amount)}


@pytest.fixture
def file(tmp_path):
    """Where an emulator may keep its state."""
    return tmp_path / "state.db"


@pytest.fixture
def again(file):
    """``again(**options)``: an emulator of the file, after the one before has gone; closed when the test ends."""
    made = []

    def open_again(**options):
        for one in made:
            one.close()
        made.append(Emulator(port=made[0].port if made else 0, state=file, **options).start())
        return made[-1]

    yield open_again
    for one in made:
        one.close()


@pytest.fixture
def code():
    """``with code("ResourceNotFoundException"):`` the block is answered with this error."""
    return Refusal


class Refusal:
    """A block that has to be refused, and how it was."""

    def __init__(self, code):
        self.code = code

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        assert kind is not None, f"nothing was refused, {self.code} was expected"
        if not isinstance(error, ClientError):
            return False
        self.response = error.response
        self.message = error.response["Error"]["Message"]
        assert error.response["Error"]["Code"] == self.code, error
        return True


@pytest.fixture
def post(lm):
    """``post(body, operation=)``: send bytes or JSON as they are; status, headers and body come back."""

    def send(body=b"{}", operation="CheckoutLicense", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", lm.port, timeout=20)
        try:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            target = {"X-Amz-Target": f"AWSLicenseManager.{operation}"} if operation else {}
            connection.request("POST", "/", data, {**target, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    return send
