"""A lease that several processes share, as decisions on values.

* ``row`` is what a shared store keeps of a lease, and how that changes; ``text`` turns it into text and back.
* ``states`` says what people are told of it.
* The other files are plans: what a process does, step by step. ``steps`` says what a plan is made of.
* Nothing here knows a store, asks the service or reads a clock: what is to be done is yielded, and what came of it
  is sent back. So a test can stop a process between any two steps.
"""
