"""Faults: the failures that a test orders, the requests that meet them, and their effects.

What belongs here:

1. A fault is checked when it is added, so that a wrong one is refused there and not when it strikes.
2. `effects` change an answer that is already made; `delays` make a request wait. Neither knows an operation.
3. One request meets at most one fault, the oldest that matches and has times left.
"""
