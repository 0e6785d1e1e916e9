"""The window to Shopify: what its domains, signatures and API look like. It must never know a table or a room."""
