"""Which queries came through the app proxy: Shopify's published vectors, and Shopify's own library as the judge."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from shopify_app import ShopifyApp

from restock.shopify.proxy_signature import LONGEST_QUERY, ProxiedCall, ProxySignature, sign_proxied

NOW = 1_317_327_555
SECRET = "hush"
SIGNATURE = ProxySignature([b"hush"], lambda: NOW)
_VECTOR = (
    "extra=1&extra=2&shop=shop-name.myshopify.com&path_prefix=%2Fapps%2Fawesome_reviews&timestamp=1317327555"
    "&logged_in_customer_id={customer}&signature={signature}"
)


def signed(secret: str = SECRET, **changes: str | None) -> str:
    """A query as Shopify sends it; None leaves a parameter out."""
    known: dict[str, str | None] = {
        "shop": "demo.myshopify.com",
        "logged_in_customer_id": "",
        "path_prefix": "/apps/restock",
        "timestamp": str(NOW),
    }
    query = urlencode({name: value for name, value in (known | changes).items() if value is not None})
    return f"{query}&signature={sign_proxied(secret, query.encode())}"


def judged(query: str) -> bool:
    """What Shopify's own library says."""
    app = ShopifyApp("key", SECRET)
    with time_machine.travel(NOW, tick=False):
        request = {"method": "GET", "headers": {}, "url": f"https://app.example.com/proxy?{query}", "body": ""}
        return bool(app.verify_app_proxy_req(request).ok)


@pytest.mark.parametrize(
    ("customer", "signature", "customer_id"),
    [
        ("1", "4c68c8624d737112c91818c11017d24d334b524cb5c2b8ba08daa056f7395ddb", 1),
        ("", "e072b6d7e6622d85912a5214b860d3100dc1e73d9bc29f43796ac8c9ff8093cb", None),
    ],
)
def test_shopifys_published_vectors_are_genuine(customer: str, signature: str, customer_id: int | None) -> None:
    query = _VECTOR.format(customer=customer, signature=signature)
    expected = ProxiedCall("shop-name.myshopify.com", customer_id, "/apps/awesome_reviews")
    assert SIGNATURE.read(query.encode()) == expected
    assert judged(query)


GOOD = signed()
SAME_VERDICT = [
    (GOOD, True),
    (signed(logged_in_customer_id="9007199254740993"), True),
    (signed(locale="pt-BR", note="ä & % + = ,é"), True),
    (signed(timestamp=str(NOW - 90)), True),
    (signed(timestamp=str(NOW + 90)), True),
    (signed(timestamp=str(NOW - 91)), False),
    (signed(timestamp=str(NOW + 91)), False),
    (signed(timestamp="soon"), False),
    (signed(timestamp=""), False),
    (signed(timestamp=None), False),
    (signed("another-secret"), False),
    (GOOD.replace("demo", "evil"), False),
    (GOOD + "&locale=en", False),
    (GOOD + "&shop=evil.myshopify.com", False),
    (GOOD + "&signature=0", False),
    (GOOD[:-1], False),
    (GOOD.rpartition("&")[0], False),
    (GOOD.upper(), False),
    ("", False),
    ("signature=", False),
]


@pytest.mark.parametrize(("query", "genuine"), SAME_VERDICT)
def test_shopifys_own_library_gives_the_same_verdict(query: str, genuine: bool) -> None:
    assert (SIGNATURE.read(query.encode()) is not None) is genuine
    assert judged(query) is genuine


@pytest.mark.parametrize(
    "query",
    [
        f"{GOOD}&timestamp={NOW}",
        f"timestamp={NOW}&{GOOD}",
        f"{GOOD}&logged_in_customer_id=1",
        f"{GOOD}&path_prefix=%2Fapps%2Fevil",
        signed(timestamp=None) + f"&timestamp={NOW}&timestamp={NOW}",
        signed(logged_in_customer_id="7 or 8"),
        signed(logged_in_customer_id="0"),
        signed(logged_in_customer_id=str(2**63)),
        GOOD.rpartition("=")[0] + "=" + quote("é" * 64),
        GOOD + "&x=" + "y" * LONGEST_QUERY,
    ],
)
def test_what_could_be_read_two_ways_is_refused(query: str) -> None:
    assert SIGNATURE.read(query.encode()) is None


def test_one_of_shopifys_parameters_twice_is_refused_even_when_signed() -> None:
    query = f"shop=a.myshopify.com&timestamp={NOW}&logged_in_customer_id=1&logged_in_customer_id=2"
    assert SIGNATURE.read(f"{query}&signature={sign_proxied(SECRET, query.encode())}".encode()) is None


def test_the_secret_before_a_rotation_still_counts() -> None:
    both = ProxySignature([b"new", b"hush"], lambda: NOW)
    assert both.read(GOOD.encode()) is not None
    assert both.read(signed("new").encode()) is not None
    assert both.read(signed("older").encode()) is None


def test_without_a_secret_nothing_is_genuine_and_an_empty_one_is_refused() -> None:
    assert ProxySignature([], lambda: NOW).read(signed("").encode()) is None
    with pytest.raises(ValueError, match="empty"):
        ProxySignature([b""])


def test_bytes_that_are_no_utf_8_are_compared_as_they_were_signed() -> None:
    query = f"shop=demo.myshopify.com&timestamp={NOW}&x=%FF%FE".encode()
    call = SIGNATURE.read(query + b"&signature=" + sign_proxied(SECRET, query).encode())
    assert call is not None
    other = query.replace(b"%FF", b"%FD")
    assert SIGNATURE.read(other + b"&signature=" + sign_proxied(SECRET, query).encode()) is None


def test_a_secret_is_never_shown() -> None:
    assert "hush" not in repr(SIGNATURE)


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.lists(st.tuples(st.sampled_from(["locale", "quantity", "utm", "x"]), words), max_size=6))
def test_any_query_shopify_signs_is_read_as_shopifys_library_reads_it(more: list[tuple[str, str]]) -> None:
    pairs = [*more, ("shop", "demo.myshopify.com"), ("timestamp", str(NOW)), ("path_prefix", "/apps/restock")]
    query = urlencode(pairs)
    whole = f"{query}&signature={sign_proxied(SECRET, query.encode())}"
    assert SIGNATURE.read(whole.encode()) == ProxiedCall("demo.myshopify.com", None, "/apps/restock")
    assert judged(whole)
