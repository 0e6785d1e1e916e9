"""Who waits for what: customers, contacts, intents, subscriptions, consent and suppression."""
