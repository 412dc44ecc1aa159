"""The Home area: whether the archive is well, at a glance."""
