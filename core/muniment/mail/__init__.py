"""Bytes in, values out: journal reports, MIME, splitting, text, addresses. No I/O."""
