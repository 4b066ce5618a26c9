"""AWS Lambda: a seat for the length of an invocation, and a queue whose refused messages come back.

Name lambda_handler.handler, or lambda_handler.from_queue, as the function's handler. Set up as for quickstart.py,
this asks examples/lambda_handler.py as Lambda would:

    export AWS_LAMBDA_FUNCTION_NAME=jobs PYTHONPATH=examples
    python -c "import lambda_handler as it; print(it.handler({'job': 'june'}, None))"
"""

import json
import math
from typing import Any

from meterguard import EntitlementDenied, EntitlementUnavailable, configure, requires_entitlement

# The client is made while the environment starts, on this thread; it takes no unit. In an outage somebody waits for
# an answer, so three seconds are enough.
configure(timeout=3).prewarm()


# Back before the answer: an environment that is frozen, or dropped, gives nothing back.
@requires_entitlement("Seats", 1, "Count", hold="call")
def work(job: str) -> str:
    if not job:
        raise ValueError("a job without a name")
    return f"{job}: 12 pages"


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    try:
        return answer(200, {"result": work(event["job"])})
    except EntitlementDenied as denied:
        return answer(403, {"error": denied.reason.value})
    except EntitlementUnavailable as unavailable:
        seconds = math.ceil(unavailable.retry_after or 5)
        return answer(503, {"error": "unavailable"}, {"Retry-After": str(seconds)})


def answer(status: int, body: dict[str, str], headers: dict[str, str] | None = None) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"} | (headers or {})
    return {"statusCode": status, "headers": headers, "body": json.dumps(body)}


# Needs ReportBatchItemFailures on the event source: what is listed is delivered again, the rest is done.
def from_queue(event: dict[str, Any], _context: object) -> dict[str, Any]:
    failed = []
    for record in event["Records"]:
        try:
            work(record["body"])
        except (EntitlementDenied, EntitlementUnavailable, ValueError):
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
