"""The connection between a client and the service: its protocol, its socket, and how it is opened."""
