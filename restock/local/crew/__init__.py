"""The processes that make up a running instance, and what they print."""
