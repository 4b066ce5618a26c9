"""OpenFeature: a provider whose flags are the entitlements of a licence.

`provider` is what OpenFeature calls. `..features` asks the licence and remembers, and knows nothing of OpenFeature;
`flags` reads a declaration of flags; `details` turns an answer into what OpenFeature wants.
"""

from ...extras import needed

with needed("openfeature", "openfeature", by="meterguard.integrations.openfeature"):
    import openfeature  # noqa: F401

from .provider import EntitlementProvider

__all__ = ("EntitlementProvider",)
