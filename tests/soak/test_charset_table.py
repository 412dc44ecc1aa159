"""Text in every known charset label, through a real vault: archived, listed, shown and found."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.charset_table import outcomes, table, written
from support.labelled import labelled
from support.vaults import TestVault


@pytest.mark.soak
def test_text_with_every_label_is_archived_shown_and_found(tmp_path: Path) -> None:
    found = outcomes(TestVault(tmp_path / "vault"), labelled())
    written(table(found))
    assert [outcome for outcome in found if not all(outcome[1:])] == []
