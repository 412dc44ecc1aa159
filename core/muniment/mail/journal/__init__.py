"""Journal reports: envelope and original."""
