"""The files of a vault: lock, permissions, temporary files, disk usage."""
