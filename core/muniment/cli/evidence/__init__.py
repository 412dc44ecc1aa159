"""Commands that give others evidence about the vault."""
