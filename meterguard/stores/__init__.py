"""Stores of leases and denials, and ledgers: in memory, in a file of SQLite, in Redis.

* A store keeps records and knows nothing of what is in them; it neither asks the service nor reads a clock
  that a test could not move.
* A store of leases is a class with the methods of ``ports.LeaseStore``: ``get`` and one way to write, replace if
  unchanged. ``core.lease_data`` turns a state into JSON and back.
* A ledger is a class with the methods of ``ports.Ledger``: one way to change an account, in a transaction with its
  usage. What becomes of an account is decided in ``core.ledger``.
* ``tests/contracts`` holds every store and ledger to its contract.
* A byte layout or a storage command belongs here and nowhere else.
"""
