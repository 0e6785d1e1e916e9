"""What is in hand while a channel is busy: claims under their leases, what it draws from, and what it has said."""
