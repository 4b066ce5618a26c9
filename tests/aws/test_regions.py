"""Which Region a redirect names, whatever else is in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterguard.aws.regions import named_by, region_in


@pytest.mark.parametrize(
    ("location", "region"),
    [
        ("eu-west-1", "eu-west-1"),
        (" us-gov-west-1 ", "us-gov-west-1"),
        ("ap-southeast-7", "ap-southeast-7"),
        ("eusc-de-east-1", "eusc-de-east-1"),
        ("us-isob-east-1", "us-isob-east-1"),
        ("https://license-manager.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://license-manager.eu-west-1.amazonaws.com:443/path?x=us-east-1", "eu-west-1"),
        ("license-manager.cn-north-1.amazonaws.com.cn/", "cn-north-1"),
        ("https://evil.example/us-east-1", None),
        ("https://evil.example", None),
        ("https://us-east-1.eu-west-1.evil.example", None),
        ("https://[::1", None),
        ("eu-west-1" * 1000, None),
        ("", None),
        (None, None),
        (["eu-west-1"], None),
    ],
)
def test_the_region_in_a_location(location, region):
    assert region_in(location) == region


@given(st.text())
def test_any_text_is_read_without_a_stumble(text):
    region_in(text)
    region_in("https://" + text)


def test_the_body_counts_before_the_header():
    headers = {"ResponseMetadata": {"HTTPHeaders": {"location": "us-west-2"}}}
    assert named_by(headers) == "us-west-2"
    assert named_by({**headers, "Location": "eu-west-1"}) == "eu-west-1"
    assert named_by({}) is None
