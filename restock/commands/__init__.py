"""What the `restock` command does, word by word."""
