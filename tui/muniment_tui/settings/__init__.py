"""The Settings area: forms over vault.toml, but for profiles."""
