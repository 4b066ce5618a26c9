"""A file here is what ``{% load %}`` loads, by its name.

1. A tag asks and takes nothing.
2. What the service does breaks no page; a mistake of the page's author does.
"""
