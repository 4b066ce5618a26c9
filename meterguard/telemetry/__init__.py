"""Telemetry: the events of leases, told to systems that watch.

* Everything comes from one stream, the events of a guard. Nothing is counted on the hot path.
* `readings` alone decides how an event is counted; a file beside it knows one system and its package.
* A label is the name of an entitlement or a word from a short list: never a token, ARN, fingerprint, user or path.
"""
