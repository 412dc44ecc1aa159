"""Connections to servers: dialling, TLS, tokens, limits and retries. It knows no protocol of mail."""
