"""Answers the requests about people who ask for the mail about them."""
