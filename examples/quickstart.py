"""The shortest program: code that a licence has to cover.

Start `meterguard emulator` in one shell, paste the two lines that it prints into another, and run there:

    python examples/quickstart.py

Against AWS, set METERGUARD_PRODUCT_SKU and METERGUARD_KEY_FINGERPRINT; Region and credentials are AWS's own settings.
"""

from meterguard import EntitlementDenied, requires_entitlement


@requires_entitlement("Seats", 1, "Count")
def export_pdf(document: str) -> str:
    return f"{document}.pdf"


@requires_entitlement("Teleport")
def teleport(document: str) -> str:
    return f"{document} is elsewhere"


if __name__ == "__main__":
    # The first call checks a seat out, the others ride along. It is given back when the program ends.
    for document in ("invoice", "offer", "reminder"):
        print(export_pdf(document))
    try:
        teleport("invoice")
    except EntitlementDenied as denied:
        print("not in this licence:", ", ".join(entitlement.name for entitlement in denied.missing))
