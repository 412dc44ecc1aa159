"""Being told: what is wrong with the archive, who is told of it, and by which way."""
