"""The window to people: one port, a folder per channel; only `registry.py` names a concrete channel."""
