"""Mail that was received some time ago, by the clock of the ledger."""

from __future__ import annotations

import time
from collections.abc import Iterable
from unittest import mock

from muniment import api
from support.vaults import TestVault

DAY = 86_400


def archived_ago(vault: TestVault, days: int, messages: Iterable[bytes], **fields: object) -> api.RunSummary:
    """Archive messages from a new maildir, as if it were so many days ago."""
    then = time.time_ns() - days * DAY * 1_000_000_000
    with mock.patch.object(time, "time_ns", return_value=then):
        return vault.archive(messages, **fields)
