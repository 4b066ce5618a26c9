"""The state of the service: licences, grants, tags, tokens, pools of units, the clock, and the file that keeps them.

What belongs here:

1. Tables of records that never change, and the rules by which one record takes the place of another. Whoever calls
   holds the lock; the moment and the ids come in as arguments.
2. A choice that AWS does not document is a switch in `switches`, and no constant in a rule.
3. The tables hold all that a file keeps. Whatever follows from them is computed again when they are read.
"""
