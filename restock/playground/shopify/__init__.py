"""A Shopify on this machine: Admin GraphQL, tokens, webhooks, the app proxy, and a control API. Development only.

It speaks as Shopify's documentation describes, and fails as Shopify fails when it is told to.
"""
