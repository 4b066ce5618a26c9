"""Everything that knows boto3 and AWS field names.

* A line that names an AWS field, error code, header or Region belongs here and nowhere else. Answers leave this room
  in the vocabulary of ``ports``; every failure is a ``ServiceFault`` or a ``ConfigurationError``.
* boto3 is imported at the top of ``boto`` and ``boto_credentials``, which nothing imports before the first use.
* No text of the service leaves this room, because it carries ARNs. Codes and request ids may leave.
* Tokens, fingerprints and ARNs are held as ``Secret``, so that no debug page shows them.
"""
