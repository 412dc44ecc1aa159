from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """The program keeps what it writes to its owner; run in this process, it must not keep the tests' files so."""
    before = os.umask(0o022)
    yield
    os.umask(before)
