"""Which shop a text names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restock.shopify.domains import clean_shop_domain


@pytest.mark.parametrize(
    "text",
    [
        "demo",
        "demo.myshopify.com",
        "DEMO.MyShopify.com",
        "  demo.myshopify.com ",
        "https://demo.myshopify.com/admin?x=1",
    ],
)
def test_many_ways_to_write_one_shop(text: str) -> None:
    assert clean_shop_domain(text) == "demo.myshopify.com"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "myshopify.com",
        "evil.com",
        "demo.myshopify.com.evil.com",
        "evil.com/demo.myshopify.com",
        "user@demo.myshopify.com",
        "demo.myshopify.com:8443",
        "de_mo.myshopify.com",
        "-demo.myshopify.com",
        "x.demo.myshopify.com",
        "d\u0435mo.myshopify.com",
        "demo.myshopify.com\r\nX: y",
        "http://[",
        "http://[::1].myshopify.com",
        "a" * 64 + ".myshopify.com",
        "a" * 5000,
    ],
)
def test_what_names_no_shop(text: str) -> None:
    assert clean_shop_domain(text) is None


@given(st.text(st.sampled_from("ab-._:/@?#[]% \t\r\nmyshopify.com\x00é"), max_size=60))
def test_whatever_comes_in_only_a_clean_domain_comes_out(text: str) -> None:
    clean = clean_shop_domain(text)
    assert clean is None or re.fullmatch(r"[a-z0-9][a-z0-9-]{0,61}[a-z0-9]\.myshopify\.com", clean)
    assert clean is None or clean_shop_domain(clean) == clean
