"""What is done with a vault: search, index, verify, back up, export."""
