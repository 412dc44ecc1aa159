"""The ledger: the append-only, hash-chained log of all records, from which all else is built."""
