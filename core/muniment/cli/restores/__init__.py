"""Commands that give mail back from the archive."""
