"""A vault, opened: ledger, catalog and index together."""
