"""The policy simulator: the same people and the same stock under our rules and under models of documented policies."""
