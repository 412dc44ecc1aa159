"""Answers the requests about how long mail is kept."""
