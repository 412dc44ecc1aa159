"""The text inside attachments: read by workers of its own, behind everything else, for the index alone.

`model` says what is read and what comes out, `kinds` which kinds of files there are, and `client` speaks to
the worker. Only the worker (`worker`, `message`, `readers`) loads what parses files.
"""
