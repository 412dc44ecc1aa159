"""Users, their addresses, and whose folders a message belongs in."""
