"""The first page: making or opening a vault."""
