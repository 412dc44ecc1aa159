"""Messages: finding and reading mail."""
