"""Signed checkpoints of a vault: their key, their witnesses, and where they are published."""
