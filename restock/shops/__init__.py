"""A merchant's shop: who it is, whether it has the app, and what it chose."""
