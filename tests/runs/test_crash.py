"""Runs that delete at the source are killed (-9) at random moments: nothing is lost, nothing is stored
twice.
"""

from __future__ import annotations

import pytest

from support.crashing import crash_loop, sample_reports
from support.dovecot import Dovecot
from support.soak import in_soak
from support.vaults import TestVault


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["gateway", *in_soak("imap")])
def test_killed_runs_lose_nothing(vault: TestVault, dovecot: Dovecot, kind: str) -> None:
    crash_loop(vault, dovecot, kind, kills=6, mails=sample_reports(600), seed=1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["gateway", "imap"])
def test_hundreds_of_killed_runs_lose_nothing(vault: TestVault, dovecot: Dovecot, kind: str) -> None:
    crash_loop(vault, dovecot, kind, kills=110, mails=sample_reports(20_000), seed=2)
