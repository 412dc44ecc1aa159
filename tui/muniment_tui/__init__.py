"""The terminal app, and the `muniment` command that opens it."""
