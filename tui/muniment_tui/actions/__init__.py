"""The actions of the app, in one registry."""
