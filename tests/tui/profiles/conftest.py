from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.dovecot import Dovecot, require_dovecot
from support.vaults import TestVault


@pytest.fixture(scope="package")
def dovecot() -> Iterator[Dovecot]:
    require_dovecot()
    with Dovecot() as server:
        yield server


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    return TestVault(tmp_path / "vault")
