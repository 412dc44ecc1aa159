"""Fixtures that the tests of runs share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.dovecot import Dovecot, require_dovecot
from support.vaults import TestVault


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    """An empty vault of the organisation with the domain example.com."""
    return TestVault(tmp_path / "vault")


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """One server for all tests of the session."""
    require_dovecot()
    with Dovecot() as server:
        yield server
