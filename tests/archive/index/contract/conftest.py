from __future__ import annotations

from pathlib import Path

import pytest

from support.indexes import MAKERS, IndexMaker


@pytest.fixture(scope="session", params=MAKERS)
def maker(request: pytest.FixtureRequest) -> IndexMaker:
    return MAKERS[request.param]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vault" / "index"
