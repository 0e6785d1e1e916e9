"""The playground: a demo store, and local stand-ins for the providers. Development only."""
