"""The wire: formats, the service's model, signatures, policies, errors, and the rules for values from outside.

What belongs here:

1. Decisions from a message alone, without a licence, a clock or a socket. A moment comes in as an argument.
2. The quirks of AWS's formats. The meaning of a member for a licence is in `state`.
3. The rules for values that come from outside, and for texts that are shown. All other rooms import this one.
"""
