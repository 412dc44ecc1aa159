"""Which copies are one message, and what of it is public."""
