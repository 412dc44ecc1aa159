"""The Audit area: who read what, and who changed or was refused what."""
