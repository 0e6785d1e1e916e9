"""The fake's Admin GraphQL: the real schema, answers from the fake's memory, Shopify's costs and limits."""
