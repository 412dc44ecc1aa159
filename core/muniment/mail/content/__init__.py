"""Which copies are one message, and which part of a message is public."""
