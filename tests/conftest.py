from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings

from support.services import stop_service

# Without these, Hypothesis fails a test by chance where the machine is busy: after 200 ms for an example, and
# where inputs are made slowly.
settings.register_profile(
    "muniment", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("muniment")

_COUNTER = itertools.count()


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """Undo what a program that runs in this process sets: it keeps all it writes to its owner."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def own_state(own_services: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an app or a service remembers in one test is not found by the next."""
    monkeypatch.setenv("XDG_STATE_HOME", str(own_services / f"state-{next(_COUNTER)}"))


@pytest.fixture(scope="session", autouse=True)
def own_services() -> Iterator[Path]:
    """Services that tests start find each other in a folder of this test run, and none is left behind."""
    with TemporaryDirectory(prefix="mt-", dir="/tmp") as folder:
        home = Path(folder)
        home.chmod(0o755)
        before = {name: os.environ.get(name) for name in ("MUNIMENT_RUNTIME", "XDG_STATE_HOME")}
        os.environ |= {"MUNIMENT_RUNTIME": folder, "XDG_STATE_HOME": str(home / "state")}
        yield home
        for path in home.glob("*.sock"):
            stop_service(path)
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
