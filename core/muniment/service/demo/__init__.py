"""The demonstration, with its sample mail."""
