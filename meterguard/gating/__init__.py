"""Gating: gates, the wrappers around functions, and the streams that carry a seat to the last byte.

A gate asks a guard for an ``Admission`` and hands it over when the call is done; nothing here knows which guard is the
default one, how a lease is had, or a framework's request. Each kind of callable has a wrapper, each kind of result
that is made after the call has a stream. What must not be guarded is refused in ``registration``.
"""
