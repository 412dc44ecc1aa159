from __future__ import annotations

import gc
import itertools
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from muniment.system.gc_tuning import look_seldom
from support.distribution import longest_first, spread
from support.quick import quick
from support.services import stop_service

if TYPE_CHECKING:
    from support.dovecot import Dovecot
    from support.vaults import TestVault

# Without these, Hypothesis fails a test by chance where the machine is busy: after 200 ms for an example, and
# where inputs are made slowly.
settings.register_profile(
    "muniment",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    derandomize=False,
)
# `make test` tries the same examples each time, so that a change is judged by what it changes.
# `make quick` and `make soak` look for new ones.
settings.register_profile("test", parent=settings.get_profile("muniment"), max_examples=30, derandomize=True)
settings.register_profile("quick", parent=settings.get_profile("muniment"), max_examples=25)
settings.load_profile("muniment")

_COUNTER = itertools.count()

# Thousands of collected tests are a million objects that never become garbage. Each collection, and a service
# makes one after each run, would go through them: that took more than a third of the time of all tests.
gc.disable()


# A shell starts its background jobs without SIGINT, which the programs that a test starts would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish(session: pytest.Session) -> None:
    look_seldom()
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def frozen_objects() -> None:
    """Exclude what exists before the tests of a module from garbage collection during these tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """Restore the umask after each test. The program sets its own in this process."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def own_state(own_services: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test its own state folder, so that no test finds what another remembered."""
    monkeypatch.setenv("XDG_STATE_HOME", str(own_services / f"state-{next(_COUNTER)}"))


@pytest.fixture(scope="session", autouse=True)
def own_services() -> Iterator[Path]:
    """Keep the sockets of services in a folder of this test run, and end all services afterwards."""
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


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[TestVault]:
    """An empty vault of the organisation with the domain example.com."""
    from support.vaults import TestVault  # takes a while, and most tests need none

    made = TestVault(tmp_path / "vault")
    yield made
    made.client.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    if os.getuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """One mail server for all tests; each makes mailboxes of its own."""
    from support.dovecot import Dovecot, require_dovecot

    require_dovecot()
    with Dovecot() as server:
        yield server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick", action="store_true", help="run the tests whose code can't start a program or open a socket"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--quick"):
        settings.load_profile("quick")
    elif config.getoption("markexpr") == "not soak":
        settings.load_profile("test")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    worker = getattr(config, "workerinput", None)
    if worker and config.getoption("markexpr") == "not soak":
        items[:] = spread(items, worker["workercount"])
    if config.getoption("markexpr") == "soak":
        items[:] = longest_first(items)
    if config.getoption("--quick"):
        items[:], others = quick(items)
        config.hook.pytest_deselected(items=others)
