"""The one place that knows boto3 and AWS field names.

* A line that names an AWS field, error code, header or Region belongs here and nowhere else; what leaves this
  room is the vocabulary of ``ports``, and every failure is a ``ServiceFault`` or a ``ConfigurationError``.
* boto3 is imported at the top of ``boto`` alone, which nothing imports before the first use.
* No text of the service's leaves this room: it carries ARNs. Codes and request ids may.
"""
