"""The protocol on the wire: formats, models, signatures, policies, errors.

What belongs here:

1. What can be decided from a message alone, without a licence, a clock or a socket. A moment comes in as an argument.
2. The quirks of AWS's formats. What a member means for a licence is in `state`.
3. The rules for values that come from outside, and for what texts may show. All other rooms stand on this one.
"""
