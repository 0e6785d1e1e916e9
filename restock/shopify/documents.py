"""What is asked of the Admin API, word for word: one GraphQL document per question.

Every document is checked against Shopify's schema (tests/shopify/test_admin_documents.py): nothing deprecated, nothing
beyond the scopes of the app, at most 1000 points at the most ids the port takes. It must never hold a value: those
travel as variables.

Points, by Shopify's formula: a scalar 0, an object 1, a page of `n` things 2 + n times a thing, a mutation 10.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_POINTS = 1000  # Shopify refuses a dearer document


@dataclass(frozen=True, slots=True)
class Document:
    """One question: its text, and what it costs for a number of ids."""

    name: str  # the operation's name in the text
    text: str
    points: int = 0  # whatever is asked
    points_an_id: int = 0
    points_an_entry: int = 0  # of the list of `first` entries that each id has

    def estimate(self, ids: int = 0, first: int = 0) -> int:
        """Say how many points to expect for this many ids, each with a list of so many entries."""
        return self.points + (self.points_an_id + self.points_an_entry * first) * ids


STOCK = Document(
    "RestockStock",
    """\
query RestockStock($ids: [ID!]!) {
  nodes(ids: $ids) {
    ... on ProductVariant {
      id
      availableForSale
      inventoryPolicy
      inventoryQuantity
      sellableOnlineQuantity
      inventoryItem { id tracked }
      product { id status onlineStoreUrl }
    }
  }
}
""",
    points_an_id=3,
)

GOODS = Document(
    "RestockGoods",
    """\
query RestockGoods($ids: [ID!]!) {
  nodes(ids: $ids) {
    ... on ProductVariant {
      id
      title
      sku
      price
      inventoryPolicy
      updatedAt
      media(first: 1) { nodes { preview { image { url } } } }
      inventoryItem { id tracked }
      product {
        id
        title
        handle
        vendor
        status
        onlineStoreUrl
        updatedAt
        variantsCount { count }
        featuredMedia { preview { image { url } } }
      }
    }
  }
}
""",
    points_an_id=12,
)

LEVELS = Document(
    "RestockLevels",
    """\
query RestockLevels($ids: [ID!]!, $first: Int!) {
  nodes(ids: $ids) {
    ... on ProductVariant {
      id
      inventoryItem {
        id
        inventoryLevels(first: $first) {
          nodes { location { id } quantities(names: ["available"]) { name quantity } }
          pageInfo { hasNextPage }
        }
      }
    }
  }
}
""",
    points_an_id=5,
    points_an_entry=3,
)

LOCATIONS = Document(
    "RestockLocations",
    """\
query RestockLocations($after: String) {
  locations(first: 200, after: $after, includeInactive: true, includeLegacy: true) {
    nodes { id name isActive fulfillsOnlineOrders }
    pageInfo { hasNextPage endCursor }
  }
}
""",
    points=203,
)

MARKET = Document(
    "RestockMarket",
    """\
query RestockMarket($ids: [ID!]!, $country: CountryCode!) {
  nodes(ids: $ids) {
    ... on ProductVariant {
      id
      contextualPricing(context: { country: $country }) { price { amount currencyCode } }
      product { id publishedInContext(context: { country: $country }) }
    }
  }
}
""",
    points_an_id=4,
)

SHOP = Document(
    "RestockShop",
    """\
query RestockShop {
  shop {
    name
    currencyCode
    ianaTimezone
    primaryDomain { url }
    shopAddress { countryCodeV2 }
  }
  currentAppInstallation { accessScopes { handle } }
}
""",
    points=64,  # a scope is an object, and there is no telling how many there are
)

TOPIC_SUBSCRIPTIONS = Document(
    "RestockTopicSubscriptions",
    """\
query RestockTopicSubscriptions {
  webhookSubscriptions(first: 250) { nodes { id topic uri } }
}
""",
    points=252,
)

SUBSCRIBE = Document(
    "RestockSubscribe",
    """\
mutation RestockSubscribe($topic: WebhookSubscriptionTopic!, $subscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $subscription) {
    webhookSubscription { id topic uri }
    userErrors { field message }
  }
}
""",
    points=12,
)

UNSUBSCRIBE = Document(
    "RestockUnsubscribe",
    """\
mutation RestockUnsubscribe($id: ID!) {
  webhookSubscriptionDelete(id: $id) {
    deletedWebhookSubscriptionId
    userErrors { field message }
  }
}
""",
    points=12,
)

CUSTOMER = Document(
    "RestockCustomer",
    """\
query RestockCustomer($identifier: CustomerIdentifierInput!) {
  customerByIdentifier(identifier: $identifier) {
    id
    defaultEmailAddress { marketingState }
    defaultPhoneNumber { smsMarketingConsent { state } }
  }
}
""",
    points=4,
)

TAGGED = Document(
    "RestockTagged",
    """\
query RestockTagged($search: String!, $after: String) {
  customers(first: 250, query: $search, after: $after) {
    nodes { id tags }
    pageInfo { hasNextPage endCursor }
  }
}
""",
    points=253,
)

ADD_CUSTOMER = Document(
    "RestockAddCustomer",
    """\
mutation RestockAddCustomer($identifier: CustomerSetIdentifiers!, $input: CustomerSetInput!) {
  customerSet(identifier: $identifier, input: $input) {
    customer {
      id
      defaultEmailAddress { marketingState }
      defaultPhoneNumber { smsMarketingConsent { state } }
    }
    userErrors { field code }
  }
}
""",
    points=15,
)

CONSENT_TO_EMAIL = Document(
    "RestockConsentToEmail",
    """\
mutation RestockConsentToEmail($input: CustomerEmailMarketingConsentUpdateInput!) {
  customerEmailMarketingConsentUpdate(input: $input) {
    userErrors { field code }
  }
}
""",
    points=11,
)

CONSENT_TO_SMS = Document(
    "RestockConsentToSms",
    """\
mutation RestockConsentToSms($input: CustomerSmsMarketingConsentUpdateInput!) {
  customerSmsMarketingConsentUpdate(input: $input) {
    userErrors { field code }
  }
}
""",
    points=11,
)

DOCUMENTS = (
    STOCK,
    GOODS,
    LEVELS,
    LOCATIONS,
    MARKET,
    SHOP,
    TOPIC_SUBSCRIPTIONS,
    SUBSCRIBE,
    UNSUBSCRIBE,
    CUSTOMER,
    TAGGED,
    ADD_CUSTOMER,
    CONSENT_TO_EMAIL,
    CONSENT_TO_SMS,
)
