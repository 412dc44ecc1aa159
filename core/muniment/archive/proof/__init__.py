"""Proving that the projections say what the ledger says: the catalog row by row, the index file by file."""
