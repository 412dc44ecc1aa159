"""The health of a vault in words: for people, and for a monitoring system."""
