"""A SaaS application that is sold on AWS Marketplace: customers register, and each is billed for what it used.

It runs in the seller's account. AWS Marketplace sends the browsers of those who have subscribed to /register, with a
token; whoever shows that token is the customer.

    export PRODUCT_CODE=... OPERATOR_KEY=... METERGUARD_LEDGER=sqlite:///usage.db
    uvicorn --app-dir examples saas_marketplace:app
    curl -d x-amzn-marketplace-token=... http://127.0.0.1:8000/register
    curl -H 'Authorization: Bearer KEY-OF-CUSTOMER' --json '"some text"' http://127.0.0.1:8000/translate
    curl -H 'Authorization: Bearer KEY-OF-CUSTOMER' http://127.0.0.1:8000/usage
    curl -H 'Authorization: Bearer OPERATOR_KEY' http://127.0.0.1:8000/metering
"""

import hashlib
import os
import secrets
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from decimal import Decimal
from functools import cache
from typing import Annotated, Any
from urllib.parse import parse_qs

import boto3
from fastapi import Body, Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from meterguard import MeterGuard
from meterguard.marketplace import Sink

PRODUCT_CODE, OPERATOR_KEY = os.environ["PRODUCT_CODE"], os.environ["OPERATOR_KEY"]
TABLE = """CREATE TABLE IF NOT EXISTS customers
    (id TEXT PRIMARY KEY, key_hash TEXT UNIQUE, account_id TEXT, license_arn TEXT UNIQUE)"""


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect("customers.db")) as connection, connection:
        connection.execute(TABLE)
        yield connection


# Who pays for the usage of a customer. Without an answer it waits, for up to 24 hours.
def buyer(customer: str) -> tuple[str, str] | None:
    with database() as db:
        found = db.execute("SELECT account_id, license_arn FROM customers WHERE id = ?", [customer])
        return found.fetchone()


# The two names tell products apart in the ledger.
guard = MeterGuard(PRODUCT_CODE, "metered-only")
sink = Sink(guard, {"Characters": "thousand_characters"}, customers=buyer)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with guard:
        sink.start()
        yield


app = FastAPI(title="Translations", lifespan=lifespan)

# -- registration ------------------------------------------------------------------------------------


@cache
def marketplace() -> Any:
    return boto3.client("meteringmarketplace")


async def registration_token(request: Request) -> str:
    form = parse_qs((await request.body()).decode("utf-8", "replace"))
    return form.get("x-amzn-marketplace-token", [""])[0]


@app.post("/register", status_code=201)
def register(token: Annotated[str, Depends(registration_token)]) -> dict[str, str]:
    customer = resolved(token)
    name, key = secrets.token_hex(8), secrets.token_urlsafe(24)
    with database() as db:  # who comes again stays the same customer, and gets a new key
        known = db.execute(
            "INSERT INTO customers VALUES (?, ?, ?, ?)"
            " ON CONFLICT (license_arn) DO UPDATE SET key_hash = excluded.key_hash RETURNING id",
            [name, hashed(key), customer["CustomerAWSAccountId"], customer["LicenseArn"]],
        ).fetchone()
    return {"customer": known[0], "key": key}


def resolved(token: str) -> dict[str, str]:
    errors = marketplace().exceptions
    try:
        found = marketplace().resolve_customer(RegistrationToken=token) if token else {}
    except (errors.InvalidTokenException, errors.ExpiredTokenException):
        found = {}
    if found.get("ProductCode") != PRODUCT_CODE:
        raise HTTPException(400, "Please begin at AWS Marketplace: choose 'Set up your account' there.")
    return found


def hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


# -- the service -------------------------------------------------------------------------------------

Shown = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]


def logged_in(shown: Shown) -> str:
    with database() as db:
        found = db.execute("SELECT id FROM customers WHERE key_hash = ?", [hashed(shown.credentials)]).fetchone()
    if found is None:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    return str(found[0])


Customer = Annotated[str, Depends(logged_in)]


def thousands(_customer: str, text: str) -> Decimal:
    return Decimal(len(text)) / 1000


@guard.meters_usage("Characters", thousands, subject=lambda customer, _text: customer)
def translated(_customer: str, text: str) -> str:
    return text[::-1]


@app.post("/translate")
def translate(customer: Customer, text: Annotated[str, Body(min_length=1, max_length=10_000)]) -> str:
    return translated(customer, text)


# -- what was used -----------------------------------------------------------------------------------


@app.get("/usage")
def usage(customer: Customer) -> dict[str, str]:
    records = guard.ledger.records(by=("entitlement", "subject"))
    total = sum((one.quantity for one in records if one.subject == customer), Decimal(0))
    return {"thousand_characters": str(total)}


@app.get("/metering")
def metering(shown: Shown) -> dict[str, object]:
    if not secrets.compare_digest(shown.credentials.encode(), OPERATOR_KEY.encode()):
        raise HTTPException(403)
    return {**sink.status()}
