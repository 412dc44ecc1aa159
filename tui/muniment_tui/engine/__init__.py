"""The engine as screens see it."""
