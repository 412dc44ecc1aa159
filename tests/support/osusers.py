"""Doing something as another user of this machine, in a child process that has given up being root."""

from __future__ import annotations

import faulthandler
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

import muniment

T = TypeVar("T")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users: run as root")


PATIENCE = 100
"""Seconds after which a child process says where it is, and ends."""


def as_user(uid: int, do: Callable[[], T]) -> T:
    """What `do` returns or raises in a process of that user, who is in no group but their own.

    The child has a copy of each lock that another thread held at that moment, which no one releases there. So
    one that never answers is tried once more.
    """
    data = _answer_of_child(uid, do) or _answer_of_child(uid, do)
    ok, value = pickle.loads(data)
    if not ok:
        raise value
    return value  # type: ignore[no-any-return]


def _answer_of_child(uid: int, do: Callable[[], Any]) -> bytes:
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        _child(uid, do, write)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    return data


def _child(uid: int, do: Callable[[], Any], write: int) -> None:
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        answer: tuple[bool, Any] = True, do()
    except BaseException as error:  # noqa: BLE001 - reported to the parent
        answer = False, error
    try:
        data = pickle.dumps(answer)
    except Exception as error:  # noqa: BLE001 - reported to the parent
        data = pickle.dumps((False, RuntimeError(f"{answer!r} can't be pickled: {error}")))
    with os.fdopen(write, "wb") as pipe:
        pipe.write(data)
    os._exit(0)


def closed_to_others(*folders: Path) -> Path | None:
    """The first folder on the way to these that other users can't enter, or None."""
    for folder in folders:
        for step in reversed((folder, *folder.parents)):
            if not step.stat().st_mode & 0o001:
                return step
    return None


def needs_python_for_others() -> None:
    """Skip the test where other users can't reach this Python, the program or its libraries."""
    python = Path(sys.executable)
    places = (
        python.parent,
        python.resolve().parent,
        Path(muniment.__file__).parent,
        Path(msgspec.__file__).parent,
    )
    if shut := closed_to_others(*places):
        pytest.skip(f"other users can't enter {shut}, where Python or the program lies")


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that all users can pass through, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="mu-", dir="/tmp") as made:
        folder = Path(made)
        folder.chmod(0o755)
        yield folder
