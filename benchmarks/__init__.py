"""The cost of meterguard, beside its floors and its peers.

* Rows of one table are measured in the same run: interleaved in a shuffled order, ratios taken inside each round,
  the median taken over the rounds, and then over at least five fresh processes. A single process proves nothing.
* A goal judges a ratio or a count, never an absolute time. It is printed whether it is met or not, and by how much.
* A peer that is not installed is named, and is no error.

``python -m benchmarks`` runs everything; ``python -m benchmarks hot cold --quick`` runs two of them, shortly.
"""
