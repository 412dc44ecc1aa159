"""Keeps secrets out of `repr`, and so out of logs, tracebacks and test reports."""

from __future__ import annotations

from typing import Any


class Discreet:
    """Base class of values that may hold a secret: `repr` shows only the name of the class."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []
