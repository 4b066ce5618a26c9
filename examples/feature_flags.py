"""Feature flags that follow the licence: a menu, a batch size and an async view, all through OpenFeature.

Set up as for quickstart.py, then run: python examples/feature_flags.py
"""

import asyncio

from openfeature import api

from meterguard import EntitlementDenied, requires_entitlement
from meterguard.integrations.openfeature import EntitlementProvider

# What a flag stands for in the licence. All features of it are asked for together.
FLAGS = {
    "export-pdf": ("Export",),
    "timeline": ("Timeline",),
    "team-of-three": ("Seats", 3, "Count"),
}

api.set_provider_and_wait(EntitlementProvider(flags=FLAGS))
flags = api.get_client()


def menu() -> list[str]:
    return [key for key in FLAGS if flags.get_boolean_value(key, False)]


async def page() -> str:
    editors = await flags.get_integer_value_async("team-of-three", 1)
    return f"{editors} may edit at once"


# A flag decides what is shown. What must not run without a licence has a gate.
@requires_entitlement("Timeline")
def timeline() -> str:
    return "what happened when"


if __name__ == "__main__":
    print("menu:", ", ".join(menu()))
    for key in FLAGS:
        details = flags.get_boolean_details(key, False)
        print(f"{key}: {details.value} ({details.variant}, {details.reason})")
    print(asyncio.run(page()))
    try:
        timeline()
    except EntitlementDenied as denied:
        print("timeline:", denied.reason)
