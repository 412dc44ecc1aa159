from __future__ import annotations

from pathlib import Path

import pytest

from support.mailroom import Make, Watched, app_over, fill


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault with samples and hostile mail; tests only read it."""
    return fill(tmp_path_factory.mktemp("messages") / "vault")


@pytest.fixture
def engine(filled: Path) -> Watched:
    """The engine of the vault."""
    return Watched(filled)


@pytest.fixture
def make(engine: Watched, filled: Path) -> Make:
    """A function that creates the app on that engine."""
    return lambda: app_over(engine, filled)
