"""Faults on demand: the requests that meet them, and their effects on an answer.

What belongs here:

1. A fault says all of itself when it is added, so that a wrong one is refused there and not when it strikes.
2. `effects` change an answer that is already made; `delays` make a request wait. Neither knows an operation.
3. One request meets at most one fault, the oldest that matches and has times left.
"""
