"""What requests about checkpoints of the ledger do."""
