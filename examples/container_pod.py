"""A container that is sold by usage: four workers, one ledger, one bill.

It runs in the buyer's account, in a task of ECS or a pod of EKS. Each worker reports, and yet AWS gets one record an
hour, because the workers share a ledger. Put that on a volume that outlives the container.

    export PRODUCT_CODE=... METERGUARD_LEDGER=sqlite:////var/lib/pod/usage.db
    gunicorn --workers 4 --chdir examples container_pod:app
    curl --json '["a page", "another page"]' http://127.0.0.1:8000/render
    curl http://127.0.0.1:8000/metering
"""

import os
from typing import Any

from flask import Flask, abort, request
from flask.typing import ResponseReturnValue

from meterguard import MeterGuard
from meterguard.marketplace import Sink

PRODUCT_CODE = os.environ["PRODUCT_CODE"]

# The two names tell products apart in the ledger. A guard whose gates ask a licence would name that one.
guard = MeterGuard(PRODUCT_CODE, "metered-only")
sink = Sink(guard, {"Pages": "pages"}, product_code=PRODUCT_CODE)
# Each worker imports this file. Under --preload only the master does: start the sink in post_worker_init then.
sink.start()

app = Flask(__name__)


# Refuses nobody. The pages are in the ledger before it returns; a call that raises is not charged.
@guard.meters_usage("Pages", len)
def render(pages: list[str]) -> list[str]:
    return [page.upper() for page in pages]


@app.post("/render")
def rendered() -> ResponseReturnValue:
    pages: Any = request.get_json()
    if not isinstance(pages, list) or not pages or not all(isinstance(page, str) for page in pages):
        abort(400, "a list of pages, please")
    return render(pages)


@app.get("/metering")
def metering() -> ResponseReturnValue:
    return {**sink.status()}
