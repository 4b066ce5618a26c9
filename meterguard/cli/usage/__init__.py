"""The output of ``meterguard usage``, in its forms.

* A file makes one form: tables for people, lines for programs, one document, bars for a terminal, pictures for a file.
* Each gets records and returns text, or writes the one file that was asked for. None reads a ledger.
* Numbers are exact: a quantity is written out as it is, and never goes through a float.
"""
