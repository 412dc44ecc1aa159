"""Profiles: where mail is fetched from."""
