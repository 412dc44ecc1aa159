"""POP3 servers."""
