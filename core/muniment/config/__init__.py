"""vault.toml: profiles, settings, where secrets come from."""
