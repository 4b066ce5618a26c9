"""A SaaS application that is sold on AWS Marketplace: customers register, and each is billed for what it used.

It runs in the seller's account. AWS Marketplace sends the browsers of those who have subscribed to /register.

    export PRODUCT_CODE=... OPERATOR_KEY=... METERGUARD_LEDGER=sqlite:///usage.db
    uvicorn --app-dir examples saas_marketplace:app
    curl -d x-amzn-marketplace-token=... http://127.0.0.1:8000/register
    curl -H 'Authorization: Bearer KEY-OF-CUSTOMER' --json '"some text"' http://127.0.0.1:8000/translate
    curl -H 'Authorization: Bearer OPERATOR_KEY' http://127.0.0.1:8000/metering
"""

import hashlib
import os
import secrets
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
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
COLUMNS = "id TEXT PRIMARY KEY, key_hash TEXT UNIQUE, account_id TEXT, license_arn TEXT UNIQUE"
# Who comes again stays the same customer, and gets a new key.
REGISTER = """INSERT INTO customers VALUES (?, ?, ?, ?)
    ON CONFLICT (license_arn) DO UPDATE SET key_hash = excluded.key_hash RETURNING id"""


def row(sql: str, *values: str) -> Any:
    with closing(sqlite3.connect("customers.db")) as database, database:
        return database.execute(sql, values).fetchone()


# Who pays for the usage of a customer. Without an answer it waits, for up to 24 hours.
def buyer(customer: str) -> tuple[str, str] | None:
    found: tuple[str, str] | None = row("SELECT account_id, license_arn FROM customers WHERE id = ?", customer)
    return found


# The two names tell products apart in the ledger.
guard = MeterGuard(PRODUCT_CODE, "metered-only")
sink = Sink(guard, {"Characters": "thousand_characters"}, customers=buyer)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    row(f"CREATE TABLE IF NOT EXISTS customers ({COLUMNS})")
    async with guard:
        sink.start()
        yield


app = FastAPI(lifespan=lifespan)
marketplace = cache(lambda: boto3.client("meteringmarketplace"))


async def registration_token(request: Request) -> str:
    form = parse_qs((await request.body()).decode("utf-8", "replace"))
    return form.get("x-amzn-marketplace-token", ["none"])[0]


@app.post("/register", status_code=201)
def register(token: Annotated[str, Depends(registration_token)]) -> dict[str, str]:
    errors, found = marketplace().exceptions, {}
    with suppress(errors.InvalidTokenException, errors.ExpiredTokenException):
        found = marketplace().resolve_customer(RegistrationToken=token)
    if found.get("ProductCode") != PRODUCT_CODE:
        raise HTTPException(400, "Please begin at AWS Marketplace: choose 'Set up your account' there.")
    key = secrets.token_urlsafe(24)
    known = row(REGISTER, secrets.token_hex(8), hashed(key), found["CustomerAWSAccountId"], found["LicenseArn"])
    return {"customer": known[0], "key": key}


def hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


Shown = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]


def logged_in(shown: Shown) -> str:
    found = row("SELECT id FROM customers WHERE key_hash = ?", hashed(shown.credentials))
    if found is None:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    return str(found[0])


Customer = Annotated[str, Depends(logged_in)]


# A call that raises is not charged. What it counts is in the ledger before it returns.
@guard.meters_usage("Characters", lambda _, text: Decimal(len(text)) / 1000, subject=lambda customer, _: customer)
def translated(_customer: str, text: str) -> str:
    return text[::-1]


@app.post("/translate")
def translate(customer: Customer, text: Annotated[str, Body(min_length=1, max_length=10_000)]) -> str:
    return translated(customer, text)


@app.get("/usage")
def usage(customer: Customer) -> dict[str, str]:
    records = guard.ledger.records(by=("entitlement", "subject"))
    return {"thousand_characters": str(sum(one.quantity for one in records if one.subject == customer))}


@app.get("/metering")
def metering(shown: Shown) -> dict[str, object]:
    if not secrets.compare_digest(shown.credentials.encode(), OPERATOR_KEY.encode()):
        raise HTTPException(403)
    return {**sink.status()}
