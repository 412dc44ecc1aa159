"""Reads attachments behind everything else, and adds their text to the index."""
