"""Small mails made after reports from users, beside the corpus (support/corpus.py)."""

from __future__ import annotations

from pathlib import Path

from support.corpus import part


def cases_dir(within: str = "mail") -> Path:
    """A folder of cases. Without it the test is skipped, or fails if MUNIMENT_CORPUS is set."""
    return part(f"cases/{within}")
