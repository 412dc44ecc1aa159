"""The Profiles area: where mail is fetched from."""
