"""The connection from the screens to the engine."""
