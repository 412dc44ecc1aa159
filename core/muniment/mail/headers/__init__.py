"""Header fields, and the addresses, dates, file names and domains in them."""
