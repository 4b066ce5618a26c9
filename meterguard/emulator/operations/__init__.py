"""The operations of the services: a file for each family, and a table of them for each service.

What belongs here:

1. A handler: it gets a call and the parameters that the model allows, changes or reads `state`, and returns an answer.
2. The shape of answers: how a licence or a grant is described, and how a list is cut into pages.
3. No rule about units or grants, which `state` has, and nothing of HTTP.
"""
