from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """Undo what a program that runs in this process sets: it keeps all it writes to its owner."""
    before = os.umask(0o022)
    yield
    os.umask(before)
