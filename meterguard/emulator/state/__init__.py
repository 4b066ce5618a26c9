"""State of the service: licences, grants, tags, tokens, pools of units, the clock, and the file that keeps them.

What belongs here:

1. Tables of records that never change, and the rules by which one record takes the place of another. Whoever calls
   holds the lock; the moment and the ids come in as arguments.
2. What AWS does not document is a switch in `behavior`, and no constant in a rule.
3. What a file keeps is in the tables alone. What follows from them is worked out again when they are read.
"""
