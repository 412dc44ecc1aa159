"""The first page: create or open a vault."""
