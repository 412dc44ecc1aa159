"""The service's end of the socket: listens, reads requests, and sends replies."""
