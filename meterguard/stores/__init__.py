"""Stores of leases and denials.

* A store keeps records and knows nothing of what is in them; it neither asks the service nor reads a clock
  that a test could not move.
* A store is a class with the methods of ``ports.LeaseStore``: ``get`` and one way to write, replace if unchanged.
  ``core.lease_data`` turns a state into JSON and back; ``tests/contracts`` holds every store to the contract.
* A byte layout or a storage command belongs here and nowhere else.
"""
