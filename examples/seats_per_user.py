"""One seat for each user: `per=` says what a seat is.

Set up as for quickstart.py (the licence there has three seats), then run:

    python examples/seats_per_user.py
"""

from contextvars import ContextVar
from dataclasses import dataclass

from meterguard import EntitlementDenied, requires_entitlement

current_user: ContextVar[str] = ContextVar("current_user")


@dataclass
class Document:
    """What a user works on."""

    owner: str
    text: str


# A ContextVar that the application sets for each request, as web frameworks do ...
@requires_entitlement("Seats", 1, "Count", per=current_user)
def edit(text: str) -> str:
    return f"{current_user.get()} writes {text!r}"


# ... or a callable that gets the arguments of the call. The same user is the same seat in both.
@requires_entitlement("Seats", 1, "Count", per=lambda document: document.owner)
def publish(document: Document) -> str:
    return f"{document.owner} publishes {document.text!r}"


if __name__ == "__main__":
    for user in ("ana", "ben", "cleo", "dora", "ana"):
        current_user.set(user)
        try:
            print(edit("a letter"))
        except EntitlementDenied:
            print(f"{user} finds no free seat")
    print(publish(Document("ben", "the news")))
