"""One message to one recipient, of any kind: claim, send, record, retry, sweep."""
