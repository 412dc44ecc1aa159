"""Small mails that strangers' reports led to, beside the corpus (support/corpus.py)."""

from __future__ import annotations

from pathlib import Path

from support.corpus import part


def cases_dir(within: str = "mail") -> Path:
    """A folder of cases; skips the test where there is none, or fails it where MUNIMENT_CORPUS is set."""
    return part(f"cases/{within}")
