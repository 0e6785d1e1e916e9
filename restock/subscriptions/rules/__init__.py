"""Pure decisions about waiting people: what an address is, and how a new subscription starts."""
