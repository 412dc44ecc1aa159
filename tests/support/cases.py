"""Cases that strangers' reports led to, read where they lie: `../shared/cases`.

Tests that use them are skipped, saying so, where they are absent; with CI=true their absence is a failure.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]


def cases_dir(within: str = "mail") -> Path:
    """A folder of cases; skips the test where there is none, or fails it when CI=true."""
    found = _ROOT.parent / "shared" / "cases" / within
    if not found.is_dir():
        reason = "the cases are absent: no folder ../shared/cases beside the project"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found
