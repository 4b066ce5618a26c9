"""What of OpenFeature's provider conformance suite the provider claims, and what it does not, with the reason."""

DECLARED = ("lifecycle", "stale", "unavailable", "large-integers", "reinitialization")

UNDECLARED = {
    "object": "nothing in a licence is a structure",
    "targeting": "a licence is one for all who are asked about",
    "disabled-flags": "an entitlement is in the licence or not; there is no third state",
    "numeric-coercion": "nothing in a licence is a fraction",
    "variants": "variants say how it was decided: granted, grace, allowed, denied",
    "configuration-change": "License Manager tells nobody; a change is told when the licence is asked again",
}
"""Optional capabilities. Their scenarios are skipped."""

DEVIATIONS = {
    "float": "License Manager counts in whole numbers, so that a float is always a mismatch",
    "boolean-of-anything": "every entitlement is also a yes or no, so that a boolean is never a mismatch",
    "cached-from-the-start": "initialising checks all features out, so that even the first evaluation is CACHED",
}
"""What the suite expects of everybody, or of those who use the standard reasons. Their scenarios have to fail."""
