"""The Admin API over HTTP: every question of the port, asked with shopifyapi.

It must never hold a transaction's time (one call may take ten seconds), keep a token, or remember an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from typing import TypeVar

from restock.shopify import documents, port
from restock.shopify.admin_api import things
from restock.shopify.admin_api.answers import refused_fields, result_of
from restock.shopify.admin_api.asking import Asker, Paces
from restock.shopify.admin_api.reading import LARGEST, Part, gid
from restock.shopify.admin_api.transport import Transport
from restock.shopify.documents import Document
from restock.shopify.errors import AdminSurpriseError
from restock.shopify.values import (
    Access,
    Location,
    LocationStock,
    MarketView,
    ShopCustomer,
    ShopProfile,
    TopicSubscription,
    VariantGoods,
    VariantStock,
)

T = TypeVar("T")

_LEVELS_EACH = 10
_LONGEST_PAGE = 250  # Shopify's limit; 250 levels are 755 points
_MOST_LOCATION_PAGES = 25


class HttpAdminApi:
    """Answers the port's questions. Safe across threads; nothing is shared between shops but connections."""

    def __init__(self, transport: Transport, paces: Paces | None = None) -> None:
        self._transport = transport
        self._asker = Asker(transport, paces or Paces())

    def stock(self, access: Access, variant_ids: Collection[int]) -> Mapping[int, VariantStock]:
        """Ask whether variants can be bought; at most MOST_STOCK_IDS."""
        return self._nodes(access, documents.STOCK, _checked(variant_ids, port.MOST_STOCK_IDS), things.read_stock)

    def goods(self, access: Access, variant_ids: Collection[int]) -> Mapping[int, VariantGoods]:
        """Ask what messages may say of variants; at most MOST_GOODS_IDS."""
        return self._nodes(access, documents.GOODS, _checked(variant_ids, port.MOST_GOODS_IDS), things.read_goods)

    def market(self, access: Access, variant_ids: Collection[int], country: str) -> Mapping[int, MarketView]:
        """Ask how variants look to shoppers of a country; at most MOST_MARKET_IDS. Needs read_publications."""
        ids = _checked(variant_ids, port.MOST_MARKET_IDS)
        return self._nodes(access, documents.MARKET, ids, things.read_market, country=country)

    def levels(self, access: Access, variant_ids: Collection[int]) -> Mapping[int, Sequence[LocationStock]]:
        """Ask where variants are stocked; at most MOST_LEVEL_IDS.

        One or two more requests for each variant that is stocked at more than ten locations; of 250 at the most.
        """
        return self._levels(access, _checked(variant_ids, port.MOST_LEVEL_IDS), _LEVELS_EACH)

    def locations(self, access: Access) -> Sequence[Location]:
        """Ask for every location of the shop, closed ones too, in pages. Needs read_locations."""
        found: list[Location] = []
        cursor: str | None = None
        for _ in range(_MOST_LOCATION_PAGES):
            data = self._ask(access, documents.LOCATIONS, after=cursor)
            page, cursor = things.read_locations(data)
            found += page
            if cursor is None:
                return found
        raise AdminSurpriseError("the list of locations does not end")

    def shop(self, access: Access) -> ShopProfile:
        """Ask what the shop is and what it allows us."""
        return things.read_shop(self._ask(access, documents.SHOP))

    def topic_subscriptions(self, access: Access) -> Sequence[TopicSubscription]:
        """Ask for the webhook subscriptions made through the API."""
        return things.read_subscriptions(self._ask(access, documents.TOPIC_SUBSCRIPTIONS))

    def subscribe(self, access: Access, topic: str, uri: str) -> TopicSubscription:
        """Subscribe to a topic such as orders/create."""
        data = self._ask(access, documents.SUBSCRIBE, topic=things.word_of(topic), subscription={"uri": uri})
        return things.read_subscription(result_of(data, "webhookSubscriptionCreate").at("webhookSubscription"))

    def unsubscribe(self, access: Access, subscription_id: str) -> None:
        """End a subscription; one that is gone already is no error."""
        data = self._ask(access, documents.UNSUBSCRIBE, id=subscription_id)
        if refused_fields(data, "webhookSubscriptionDelete") != ["id"]:  # no such id: Shopify's one reason to refuse it
            result_of(data, "webhookSubscriptionDelete")

    def customer(self, access: Access, *, email: str | None = None, phone: str | None = None) -> ShopCustomer | None:
        """Find a customer by exactly one address; None when the shop has none."""
        identifier = _one_of(emailAddress=email, phoneNumber=phone)
        found = self._ask(access, documents.CUSTOMER, identifier=identifier).walk("customerByIdentifier")
        return things.read_customer(found) if found else None

    def tagged_customers(self, access: Access, tag: str) -> Set[int]:
        """Ask for the customers that have a tag, whatever its capitals, in pages. Needs read_customers."""
        found: set[int] = set()
        cursor: str | None = None
        for _ in range(port.MOST_TAGGED // _LONGEST_PAGE):
            data = self._ask(access, documents.TAGGED, search=things.search_tag(tag), after=cursor)
            page, cursor = things.read_tagged(data, tag)
            found |= page
            if cursor is None:
                return found
        raise AdminSurpriseError(f"more than {port.MOST_TAGGED:,} customers have the tag")

    def add_customer(self, access: Access, *, email: str | None = None, phone: str | None = None) -> ShopCustomer:
        """Make sure that a customer with this address exists, changing nothing else of it."""
        address = _one_of(email=email, phone=phone)
        data = self._ask(access, documents.ADD_CUSTOMER, identifier=address, input=address)
        return things.read_customer(result_of(data, "customerSet").at("customer"))

    def consent_to_email(self, access: Access, customer_id: int, said_at: str, *, confirmed: bool) -> None:
        """Write down a yes to e-mail marketing; AdminRefusedError when the customer has no e-mail address."""
        consent = {"customerId": gid("Customer", customer_id), "emailMarketingConsent": _yes(said_at, confirmed)}
        data = self._ask(access, documents.CONSENT_TO_EMAIL, input=consent)
        result_of(data, "customerEmailMarketingConsentUpdate")

    def consent_to_sms(self, access: Access, customer_id: int, said_at: str, *, confirmed: bool) -> None:
        """Write down a yes to SMS marketing; AdminRefusedError when the customer has no phone number."""
        consent = {"customerId": gid("Customer", customer_id), "smsMarketingConsent": _yes(said_at, confirmed)}
        data = self._ask(access, documents.CONSENT_TO_SMS, input=consent)
        result_of(data, "customerSmsMarketingConsentUpdate")

    def close(self) -> None:
        """Close the pooled connections; the API may be used again."""
        self._transport.close()

    def _ask(self, access: Access, document: Document, **variables: object) -> Part:
        return self._asker.ask(access, document, variables, document.estimate())

    def _nodes(
        self,
        access: Access,
        document: Document,
        ids: Collection[int],
        read: Callable[[Part], T],
        **more: object,
    ) -> Mapping[int, T]:
        """Ask about variants."""
        if not ids:
            return {}
        variables = {"ids": [gid("ProductVariant", number) for number in ids], **more}
        data = self._asker.ask(access, document, variables, document.estimate(len(ids)))
        return things.read_nodes(data, "ProductVariant", read)

    def _levels(self, access: Access, ids: Collection[int], first: int) -> Mapping[int, Sequence[LocationStock]]:
        """Ask for so many levels of each variant, and again, alone and for more, where there turn out to be more."""
        if not ids:
            return {}
        variables = {"ids": [gid("ProductVariant", number) for number in ids], "first": first}
        data = self._asker.ask(access, documents.LEVELS, variables, documents.LEVELS.estimate(len(ids), first))
        found = things.read_nodes(data, "ProductVariant", things.read_levels)
        whole: dict[int, Sequence[LocationStock]] = {number: levels for number, (levels, _) in found.items()}
        for number in (number for number, (_, is_cut) in found.items() if is_cut and first < _LONGEST_PAGE):
            whole |= self._levels(access, [number], min(first * 5, _LONGEST_PAGE))
        return whole


def _checked(ids: Collection[int], most: int) -> list[int]:
    """Return the ids, each once; raise ValueError for more than Shopify takes and for what is no id."""
    each = list(dict.fromkeys(ids))
    if len(each) > most:
        raise ValueError(f"at most {most} ids at once, not {len(each)}")
    if not all(0 < number <= LARGEST for number in each):
        raise ValueError("an id is a number above 0 that fits 64 bits")
    return each


def _one_of(**addresses: str | None) -> dict[str, str]:
    given = {key: address for key, address in addresses.items() if address}
    if len(given) != 1:
        raise ValueError("exactly one address: an e-mail address or a phone number")
    return given


def _yes(said_at: str, confirmed: bool) -> dict[str, str]:
    level = "CONFIRMED_OPT_IN" if confirmed else "SINGLE_OPT_IN"
    return {"marketingState": "SUBSCRIBED", "marketingOptInLevel": level, "consentUpdatedAt": said_at}
