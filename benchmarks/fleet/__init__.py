"""A fleet in simulation: what 1 to 10,000 processes that use one licence ask of the service and of a store.

* The decisions are those of the library: the plans of ``core.shared``, the schedule, the delays, the verdicts.
* ``loop`` is time. ``service``, ``store`` and ``outages`` stand for what is outside a process.
* ``process`` is a process; ``direct`` and ``sharing`` are the two ways in which it gets a lease, ``calls`` is the gate
  that asks for each request. ``world`` has the hosts and what happens to them, ``scenes`` says what happens when.
* ``measures`` counts, ``summary`` makes figures of it, ``study`` hands them to ``python -m benchmarks``.
"""
