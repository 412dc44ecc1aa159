"""Users, their addresses over time, and the folders that a message belongs in."""
