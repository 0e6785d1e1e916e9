"""Web push: one browser, reached through its maker's push service (RFC 8030, 8291, 8292)."""
