"""vault.toml: profiles, settings, and the places of secrets."""
