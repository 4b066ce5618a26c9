"""Stores of leases and denials.

* A store keeps records and knows nothing of what is in them; it neither asks the service nor reads a clock
  that a test could not move.
* A byte layout or a storage command belongs here and nowhere else.
"""
