"""What is kept: ledger, catalog, index, verification, rebuilding, export."""
