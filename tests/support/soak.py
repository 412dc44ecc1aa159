"""Which values of a parameter are tried each time, and which in the long tests alone."""

from __future__ import annotations

from typing import Any

import pytest


def in_soak(*values: Any) -> list[Any]:
    """Values of a parameter that `make soak` alone tries, which has the time."""
    return [
        pytest.param(*(one if isinstance(one, tuple) else (one,)), marks=pytest.mark.soak) for one in values
    ]
