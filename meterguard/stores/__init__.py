"""Stores of leases and denials, shared stores, and ledgers: in memory, in SQLite, Redis, PostgreSQL and DynamoDB.

* A store keeps records and knows nothing of what is in them; it neither asks the service nor reads a clock
  that a test could not move.
* A store of leases is a class with the methods of ``ports.LeaseStore``: ``get`` and one way to write, replace if
  unchanged. ``core.lease_data`` turns a state into JSON and back.
* A store that processes share is a class with the methods of ``rows.SharedStore``: rows of text, and the same one way
  to write. A loser hears what is kept in the same answer, the clock is the server's, a write that is repeated is one
  write, and each call has a limit of time. ``testing.stores`` has the contract for those who write one elsewhere.
* A ledger is a class with the methods of ``ports.Ledger``: one way to change an account, in a transaction with its
  usage. What becomes of an account is decided in ``core.ledger``.
* What a file or a server is for, a ledger or leases, is a ``purposes.Purpose``.
* A driver or an SDK is imported at the top of the file that knows it, which nothing imports before it is asked for.
  A failure leaves that file as a fault or a ``ConfigurationError``, with the place and no user or password.
* ``tests/contracts`` holds every store and ledger to its contract.
* A byte layout or a storage command belongs here and nowhere else.
"""
