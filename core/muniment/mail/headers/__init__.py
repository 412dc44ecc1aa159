"""Header fields, and the addresses, dates, names and domains in them."""
