"""Telemetry: what happens to leases, told to systems that watch.

* Everything comes from one stream, the events of a guard. What would need a count on the hot path is not measured.
* What an event counts as is decided in `_readings` and nowhere else; a file beside it knows one system and its package.
* A label is the name of an entitlement or a word from a short list: never a token, ARN, fingerprint, user or path.
"""
