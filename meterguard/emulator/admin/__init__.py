"""The side of an emulator that tests use: the journal of requests, seed files, and actions over HTTP.

What belongs here:

1. An action is plain data in and plain data out, and does nothing that Python cannot do by the `Emulator`.
2. Nothing that comes out opens anything: no token is shown, and of requests only the parts that the log has too.
3. An emulator is known here by its `target`, the methods that are used of it, and never imported.
"""
