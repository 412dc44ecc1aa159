"""The archive of one organisation: ledger, catalog, index, and the operations on them."""
