"""Commands for checkpoints of the ledger, and for those who watch them elsewhere."""
