"""What of a message people read and search, as text."""
