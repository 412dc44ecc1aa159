"""Requests and replies on a socket."""
