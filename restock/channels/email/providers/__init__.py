"""E-mail handed over by a provider's own API, with the account a shop has there."""
