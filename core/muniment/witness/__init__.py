"""A witness: it keeps the last checkpoint of each log that it trusts, and signs only what continues it.

It is a process of its own, best on another machine that another person administers. It knows no vault.
"""
