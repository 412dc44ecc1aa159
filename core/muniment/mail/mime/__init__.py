"""The parts of a message, and what other formats wrap."""
