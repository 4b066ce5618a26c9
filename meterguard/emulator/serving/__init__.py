"""The way of a request through the emulator: from bytes to an answer, over a socket or inside the process.

What belongs here:

1. `dispatch` records, checks and carries out; it knows no socket and no event loop. A new AWS service on the same
   port is a line in `services`.
2. Sockets, threads and event loops are in `server`, and in the two files that it imports when it starts: they need
   the optional packages.
3. `idempotency` answers a repeated request with its first answer.
"""
