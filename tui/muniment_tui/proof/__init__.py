"""The Proof area: what proves the archive, verifications, backups, damage."""
