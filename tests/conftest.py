from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from support.quick import quick
from support.services import stop_service

if TYPE_CHECKING:
    from support.dovecot import Dovecot
    from support.vaults import TestVault

# Without these, Hypothesis fails a test by chance where the machine is busy: after 200 ms for an example, and
# where inputs are made slowly.
settings.register_profile(
    "muniment", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("quick", parent=settings.get_profile("muniment"), max_examples=25)
settings.load_profile("muniment")

_COUNTER = itertools.count()


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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--quick"):
        items[:], others = quick(items)
        config.hook.pytest_deselected(items=others)
