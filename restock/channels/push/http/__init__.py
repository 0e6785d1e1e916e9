"""HTTP/1.1 for the push services and nothing else: many small POSTs over a few kept connections, in one thread."""
