"""The Messages area: find and read mail."""
