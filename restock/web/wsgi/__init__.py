"""What stands around Flask: the log line of every request, and the two routes answered before it."""
