from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.catalogs import MAKERS, CatalogMaker, FilledCatalog, filled


@pytest.fixture(scope="session", params=MAKERS)
def maker(request: pytest.FixtureRequest) -> CatalogMaker:
    return MAKERS[request.param]


@pytest.fixture
def archive(maker: CatalogMaker, tmp_path: Path) -> Iterator[FilledCatalog]:
    yield from filled(maker, tmp_path / "catalog")
