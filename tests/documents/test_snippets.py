"""Every Python snippet in README, docs and docstrings runs, page by page, from top to bottom.

A page finds what its reader has: a licence for the product ACME-1 with 3 Seats and the feature Export, and
the environment variables that say where it is. ``lm``, the emulator, is there by name. What a snippet prints
stands below it in a ``text`` block. A snippet that cannot run says so: ``% skip: next`` before it.
"""

from __future__ import annotations

import pytest

from tests.documents.pages import check_all_is_shown, documents


@pytest.fixture
def reader(lm, monkeypatch):
    licence = lm.add_license("ACME-1", entitlements=[("Seats", 3, "Count"), ("Export", None, "None")], ttl=3600)
    monkeypatch.setenv("METERGUARD_PRODUCT_SKU", licence.product_sku)
    monkeypatch.setenv("METERGUARD_KEY_FINGERPRINT", licence.key_fingerprint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_LICENSE_MANAGER", lm.url)
    return lm


@pytest.mark.parametrize("document", [pytest.param(document, id=name) for name, document in documents()])
def test_a_page_runs(document, reader):
    document.namespace["lm"] = reader
    for example in document.examples():
        example.evaluate()
    check_all_is_shown(document.namespace)
