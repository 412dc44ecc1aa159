"""The set-up checklist, and later the health page."""
