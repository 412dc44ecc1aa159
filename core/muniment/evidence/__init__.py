"""Evidence about a ledger that a stranger can check: Merkle trees, proofs, signed notes.

Nothing here knows a vault or a record: it works on hashes, sizes and texts alone.
"""
