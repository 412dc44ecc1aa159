"""Evidence about a ledger that a stranger can check: Merkle trees, proofs, and the files that carry them.

Nothing here knows a vault or a record: it works on hashes, sizes and texts alone.
"""
