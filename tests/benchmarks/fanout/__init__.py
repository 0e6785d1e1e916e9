"""`restock bench fanout`: one restock told to many people, through the real pipeline, beside the naive design."""
