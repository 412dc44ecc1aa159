"""An HTML reader with the faults that hostile mail looks for.

It is active if this folder is on PYTHONPATH.

It is the real reader, except that a document with one of these words makes it crash, hang, grow or raise, as
a bug in native code would, in any process that reads it. A mail has less time here, so that tests need not
wait. It does not cover a parser that a mail takes over and that then acts on purpose.
"""

from __future__ import annotations

import atexit
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

CRASH, HANG, GROW, RAISE = "CrashParser", "HangParser", "GrowParser", "RaiseParser"
NAME = "muniment.mail.text.html"


def _hostile(real: Callable[[str], str]) -> Callable[[str], str]:
    def raw_text(html: str) -> str:
        if CRASH in html:
            os.kill(os.getpid(), 11)
        while HANG in html:
            pass
        grown = []
        while GROW in html:
            grown.append(bytearray(16 * 1024 * 1024))
        if RAISE in html:
            raise RuntimeError(RAISE)
        return real(html)

    return raw_text


class _Loader(importlib.abc.Loader):
    def __init__(self, real: importlib.abc.Loader) -> None:
        self._real = real

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        from muniment.parsing import budget

        self._real.exec_module(module)
        module.raw_text = _hostile(module.raw_text)  # type: ignore[attr-defined]
        budget.SECONDS = 1.0


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != NAME:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        assert spec is not None
        assert spec.loader is not None
        spec.loader = _Loader(spec.loader)
        return spec


def _note_modules(folder: str) -> None:
    """Write the names of all modules that this process loaded to a file named by its process id."""
    Path(folder, str(os.getpid())).write_text("\n".join(sys.modules))


sys.meta_path.insert(0, _Finder())
if "MUNIMENT_TEST_MODULES" in os.environ:  # no worker has it
    atexit.register(_note_modules, os.environ["MUNIMENT_TEST_MODULES"])
