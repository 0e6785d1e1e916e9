"""Read-only questions: who waits and why, what is in stock, how far behind we are."""
