"""The same gates in asyncio: coroutines, asynchronous generators and `async with`.

Set up as for quickstart.py, then run:

    python examples/async_tasks.py
"""

import asyncio
from collections.abc import AsyncIterator

from meterguard import MeterGuard, requires_entitlement


async def main() -> None:
    async with MeterGuard() as guard:
        seat = requires_entitlement("Seats", 1, "Count", guard=guard)

        @seat
        async def render(page: int) -> int:
            await asyncio.sleep(0.001)
            return page

        # The gate is checked at the first item, and the lease is kept alive to the last one.
        @seat
        async def stream(pages: int) -> AsyncIterator[int]:
            for page in range(pages):
                yield await render(page)

        # However many tasks ask at once, one of them asks AWS and the loop never blocks.
        pages = await asyncio.gather(*(render(page) for page in range(100)))
        print(f"rendered {len(pages)} pages")
        print("streamed", [page async for page in stream(3)])

        async with guard.requires_entitlement("Export") as lease:
            print("exporting under", *lease.entitlements)

        print("more seats:", await guard.ahas_entitlement("Seats", 2, "Count"))
        print("teleport:", await guard.ahas_entitlement("Teleport"))


if __name__ == "__main__":
    asyncio.run(main())
