"""Which shop a text names.

Judged by Shopify's own library. It must never decide whether the shop has the app: that is the shops room's word.
"""

from __future__ import annotations

from functools import lru_cache

LONGEST_INPUT = 255
_LONGEST_LABEL = 63  # RFC 1035 section 2.3.4
_SUFFIX = ".myshopify.com"


@lru_cache(maxsize=4096)
def clean_shop_domain(text: str) -> str | None:
    """Return the `name.myshopify.com` that the text names, lower-cased; None when it names none.

    A bare name, capitals, a scheme and a path are forgiven; another host, a port or a user name is not.
    """
    if len(text) > LONGEST_INPUT or not text.isascii():
        return None
    from shopify.utils.shop_url import sanitize_shop_domain  # brings all of shopifyapi, and most processes judge none

    try:
        domain = sanitize_shop_domain(text)
    except ValueError:  # urlsplit's word for an unclosed IPv6 bracket
        return None
    return domain if domain and len(domain) - len(_SUFFIX) <= _LONGEST_LABEL else None
