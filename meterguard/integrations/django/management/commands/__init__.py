"""A file here is a command of ``manage.py``, by its name.

1. It runs without Django's system checks, for it is where one looks when those complain.
2. Data on stdout, the rest on stderr; exit code 1 says that something is wrong.
"""
