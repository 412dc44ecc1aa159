"""service status: its exit code says whether the service runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.engine_double import EngineDouble, Result, invoke

UNIT = "/etc/systemd/system/muniment.service"


class Units:
    """An installer whose service is in a state that the test names."""

    def __init__(self, state: dict[str, str]) -> None:
        self.state = state

    def units(self, vault: Path, user: str = "", writable: Sequence[Path] = ()) -> dict[str, str]:
        raise NotImplementedError

    def install(
        self, vault: Path, user: str = "", writable: Sequence[Path] = (), force: bool = False
    ) -> list[str]:
        raise NotImplementedError

    def uninstall(self) -> list[str]:
        raise NotImplementedError

    def status(self) -> dict[str, str]:
        return self.state


def asked(state: dict[str, str], *words: str) -> Result:
    return invoke(EngineDouble(installer=lambda: Units(state)), "service", "status", *words)


@pytest.mark.parametrize(
    ("state", "code", "said"),
    [
        ({"installed": UNIT, "ActiveState": "active", "SubState": "running"}, 0, ""),
        ({"installed": UNIT, "ActiveState": "reloading"}, 0, ""),
        ({"installed": UNIT, "ActiveState": "failed"}, 1, "it is failed"),
        ({"installed": UNIT, "ActiveState": "inactive"}, 1, "journalctl -u muniment"),
        ({"installed": UNIT}, 1, "systemd does not run this machine"),
        ({"installed": "no"}, 10, "muniment service install"),
        ({"installed": "no", "ActiveState": "inactive"}, 10, "not installed"),
    ],
)
def test_the_exit_code_says_whether_it_runs(state: dict[str, str], code: int, said: str) -> None:
    result = asked(state)
    assert result.code == code
    assert said in result.err
    assert bool(result.err) is bool(code)
    for name, value in state.items():
        assert f"{name:<14}{value}" in result.out
    shown = asked(state, "--json")
    assert (shown.code, json.loads(shown.out)) == (code, state)
