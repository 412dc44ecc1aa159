"""Mail that makes its parser crash, hang, grow or raise, and workers with such a parser."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from muniment.parsing.pool import end_readers
from support.reports import plain, report

CRASH, HANG, GROW, RAISE = "CrashParser", "HangParser", "GrowParser", "RaiseParser"
"""The words of support/hostile_parser/sitecustomize.py, which no test may import."""
PARSER = Path(__file__).with_name("hostile_parser")


def hostile(
    word: str, subject: str = "", attachments: Sequence[tuple[str, bytes]] = (), **fields: Any
) -> bytes:
    """A message whose HTML contains a word that kills the parser."""
    parts = ["Content-Type: text/html; charset=utf-8\n\n<p>before</p><p>" + word + "</p>"]
    parts += [
        f'Content-Type: application/octet-stream; name="{name}"\nContent-Disposition: attachment\n'
        f"Content-Transfer-Encoding: base64\n\n{base64.encodebytes(content).decode()}"
        for name, content in attachments
    ]
    body = "".join(f"--limit\n{part}\n" for part in parts) + "--limit--\n"
    kind = "Content-Type: multipart/mixed; boundary=limit"
    return plain(subject=subject or f"subject {word.lower()}", body=body, headers=[kind], **fields)


def hostile_report(word: str, subject: str = "", **fields: Any) -> bytes:
    """A journal report of such a message, to bob@example.com."""
    return report(hostile(word, subject, **fields))


@contextmanager
def hostile_parser(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All workers that start inside the block read HTML with the hostile parser."""
    end_readers()
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join((str(PARSER), os.environ.get("PYTHONPATH", ""))))
        yield
    end_readers()
