"""The operations of the service: a file for each family, and the table of them all.

What belongs here:

1. A handler: it gets a call and the parameters that the model allows, changes or reads `state`, and returns an answer.
2. The shape of answers: how a licence or a grant is described, and how a list is cut into pages.
3. No rule about units or grants, which `state` has, and nothing of HTTP.
"""
