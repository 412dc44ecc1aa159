"""What a person reads and searches in a message."""
