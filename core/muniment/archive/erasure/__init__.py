"""Lawful erasure: what goes, the record of it, and the bytes of the ledger."""
