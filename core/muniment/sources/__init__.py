"""Where mail is fetched from: one module a kind, one small protocol."""
