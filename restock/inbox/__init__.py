"""Webhooks as received: verified, kept once, dispatched by topic."""
