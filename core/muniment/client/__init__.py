"""The line between a client and the service: what travels on it, where it is, and how it is opened."""
