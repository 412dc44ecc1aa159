"""Which tests are quick: those whose code can't start a program and can't open a socket (`pytest --quick`).

Nobody maintains a list. Each test is followed by the names in its code: into its fixtures, the helpers of
the tests and the project's modules, until there are no new ones. A test that reaches a way to start a program
or to open a socket is left out, even if it never takes that way. Tests marked `slow` are left out, too.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = tuple(str(ROOT / name) for name in ("core", "tui", "tests", "benchmarks", "tools"))
OF_ALL = ("own_services", "own_state", "usual_umask")
"""The fixtures of every test: what these start belongs to the run."""
WAYS = {
    "subprocess": {"Popen", "run", "call", "check_call", "check_output"},
    "socket": {"socket", "create_connection", "create_server", "socketpair", "fromfd"},
    "os": {"fork", "forkpty", "posix_spawn", "posix_spawnp", "execv", "execve"},
    "pty": {"fork", "spawn"},
    "multiprocessing": {"Process", "Pool", "get_context"},
}
"""Functions and classes that start a program or open a socket, by module."""


def quick(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """The tests that are quick, and the others."""
    starting = _Reach([one for item in items for one in _code(item)]).starting
    chosen: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        slow = item.get_closest_marker("slow") or any(id(one) in starting for one in _code(item))
        (others if slow else chosen).append(item)
    return chosen, others


def _code(item: pytest.Item) -> Iterator[Any]:
    """The functions that a test is made of: its own, and its fixtures'."""
    if isinstance(item, pytest.Function):
        yield item.function
        # The fixtures of every test belong to the run, not to this one.
        for name, found in item._fixtureinfo.name2fixturedefs.items():
            if name not in OF_ALL:
                yield from (one.func for one in found)


class _Reach:
    """What functions reach by the names in their code, and which of all that starts something."""

    def __init__(self, roots: list[Any]) -> None:
        self.starting: set[int] = set()
        """The ids of all that can start a program or open a socket."""
        self._kept: dict[int, Any] = {}
        """All that was met, by id."""
        users: dict[int, list[int]] = defaultdict(list)
        waiting = roots
        while waiting:
            one = waiting.pop()
            if id(one) in self._kept:
                continue
            self._kept[id(one)] = one
            starts, further = _named_by(one)
            if starts:
                self.starting.add(id(one))
            for each in further:
                users[id(each)].append(id(one))
            waiting += further
        spread = list(self.starting)
        while spread:
            new = {user for user in users[spread.pop()] if user not in self.starting}
            self.starting |= new
            spread += new


def _named_by(thing: Any) -> tuple[bool, list[Any]]:
    """Whether a thing's own code starts something, and what else it names."""
    if isinstance(thing, FunctionType):
        return _named_by_function(thing) if _ours(thing) else (False, [])
    if isinstance(thing, MethodType | staticmethod | classmethod):
        return False, [thing.__func__]
    if isinstance(thing, property):
        return False, [thing.fget, thing.fset]
    if isinstance(thing, dict):
        return False, [one for one in thing.values() if _may_call(one)]
    if isinstance(thing, list | tuple | set | frozenset):
        return False, [one for one in thing if _may_call(one)]
    if isinstance(thing, type):
        return False, [*thing.__bases__, *filter(_may_call, vars(thing).values())] if _ours(thing) else []
    return False, [type(thing)]


def _named_by_function(function: FunctionType) -> tuple[bool, list[Any]]:
    names = set(_names(function.__code__))
    further = [
        vars(function).get("__wrapped__"),
        getattr(vars(function).get("hypothesis"), "inner_test", None),
    ]
    further += [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
    for name in names:
        found = function.__globals__.get(name, sys.modules.get(name))
        if isinstance(found, ModuleType):
            if names & WAYS.get(found.__name__, set()):
                return True, []
            if _is_ours(found):
                further += [vars(found)[each] for each in names & vars(found).keys()]
        elif getattr(found, "__name__", "") in WAYS.get(getattr(found, "__module__", ""), set()):
            return True, []
        else:
            further.append(found)
    return False, [one for one in further if _may_call(one)]


def _may_call(thing: Any) -> bool:
    return not isinstance(thing, str | bytes | int | float | ModuleType | None)


def _names(code: CodeType) -> Iterator[str]:
    """The names in a function's code, those of functions within it as well."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _ours(thing: Any) -> bool:
    """Whether the project's own code defines it."""
    return _is_ours(sys.modules.get(getattr(thing, "__module__", None) or ""))


def _is_ours(module: ModuleType | None) -> bool:
    file = getattr(module, "__file__", None) or ""
    return file.startswith(FOLDERS)


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - raises where it is empty
    except ValueError:
        return False
    return True
