"""State of the audit feed: whether events reach their receiver."""

from __future__ import annotations

from pathlib import Path

from muniment.config.model import Settings
from muniment.notify.model import FeedFacts
from muniment.service.host.feed_keeper import feed_keeper_of


def feed_facts(folder: Path, settings: Settings) -> FeedFacts | None:
    """The facts about a vault's audit feed that notifications need; None if it has no feed."""
    if not settings.audit_feed.syslog:
        return None
    keeper = feed_keeper_of(folder)
    return FeedFacts(problem=keeper.problem, lasts=keeper.lasts) if keeper else FeedFacts()
