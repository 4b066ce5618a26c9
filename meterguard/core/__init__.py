"""Pure decisions.

* Everything here decides from values alone: a moment, a random draw and a token source come in as
  arguments. No clock, lock, thread, socket, log line or random number is read here.
* What a state may become stands in a table, not in branches.
* A line that names an AWS code belongs to ``aws``; one that waits or locks belongs to ``runtime``.
"""
