"""Requests whose texts would freeze a service that reads them before it looks at their length."""

from __future__ import annotations

from muniment import api

LONG = "a" + "\u05b0\u05b9" * 100_000 + "@example.com"
"""400 KB of combining marks, which take a minute to normalise."""


def freezing_requests() -> list[api.Request]:
    """A request for each place where a caller's text is compared or searched for."""
    return [
        api.ShowUser(user=LONG),
        api.ListMessages(user=LONG, folder="Inbox"),
        api.ListMessages(user="bob@example.com", folder=LONG),
        api.Search(query=LONG),
        api.Search(query="x", user=LONG),
        api.Show(id=LONG),
    ]
