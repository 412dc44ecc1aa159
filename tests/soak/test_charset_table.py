"""Text in every known charset label, through a real vault: archived, listed, shown and found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.charset_table import NAME, outcomes, table
from support.labelled import labelled
from support.page_tables import check_table
from support.vaults import TestVault


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_text_with_every_label_is_archived_shown_and_found(tmp_path: Path) -> None:
    found = outcomes(TestVault(tmp_path / "vault"), labelled())
    assert [outcome for outcome in found if not all(outcome[1:])] == []
    if sys.version_info[:2] == (3, 11):  # the table has the labels of Python 3.11
        check_table(NAME, table(found))
