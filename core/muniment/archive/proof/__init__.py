"""Compares the projections with the ledger: the catalog row by row, the index file by file."""
