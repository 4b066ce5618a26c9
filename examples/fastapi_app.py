"""A reporting service in FastAPI: a seat for each user, a group of routes behind a feature, and a streamed job.

Set up as for quickstart.py, then run:

    uvicorn --app-dir examples fastapi_app:app
    curl -iu ana:secret http://127.0.0.1:8000/reports/june
    curl -i http://127.0.0.1:8000/archive/may
"""

import base64
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection

from meterguard import Lease, ahas_entitlement
from meterguard.integrations.fastapi import Entitled, EntitlementRoute, install, logged_in_user


class AnyPassword(AuthenticationBackend):
    """Takes people's word for who they are. Yours will not."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        scheme, _, credentials = conn.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        user, _, _ = base64.b64decode(credentials).decode().partition(":")
        return AuthCredentials(["authenticated"]), SimpleUser(user)


app = FastAPI(title="Reports")
app.add_middleware(AuthenticationMiddleware, backend=AnyPassword())
install(app, linger=900)
app.router.route_class = EntitlementRoute


def logged_in(request: Request) -> str:
    if not request.user.is_authenticated:
        raise HTTPException(401, headers={"WWW-Authenticate": "Basic"})
    return str(request.user.display_name)


User = Annotated[str, Depends(logged_in)]
Seat = Annotated[Lease, Depends(Entitled("Seats", 1, "Count", per=logged_in_user))]


@app.get("/")
async def home() -> dict[str, bool]:
    return {name: await ahas_entitlement(name) for name in ("Export", "Archive")}


# Dependencies are solved in this order: who it is, then whether there is a seat.
@app.get("/reports/{name}")
async def report(name: str, user: User, seat: Seat) -> dict[str, str | bool]:
    return {"report": name, "user": user, "seat": seat.is_live}


# A job's seat is held until its last line is sent, or the client is gone.
@app.get("/jobs/{name}", dependencies=[Depends(Entitled("Seats", 1, "Count", hold="call"))])
async def job(name: str) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        for step in range(3):
            yield f"{name}: step {step}\n"

    return StreamingResponse(lines(), media_type="text/plain")


export = APIRouter(prefix="/export", dependencies=[Depends(Entitled("Export"))], route_class=EntitlementRoute)


@export.get("/{name}")
async def csv(name: str) -> str:
    return f"report\n{name}\n"


archive = APIRouter(prefix="/archive", dependencies=[Depends(Entitled("Archive"))], route_class=EntitlementRoute)


@archive.get("/{name}")
async def archived(name: str) -> dict[str, str]:
    return {"archived": name}


@app.get("/health")
async def health() -> dict[str, bool]:
    return {"ok": True}


app.include_router(export)
app.include_router(archive)
