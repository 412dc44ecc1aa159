"""The service behind its socket: commands of real processes, garbage, slow readers, and its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.reports import plain, report
from support.services import end, muniment, service_of, socket_of, stop_service
from support.vaults import TestVault, put


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Path]:
    """A vault with ten letters, and no service yet."""
    made = TestVault(tmp_path / "vault")
    mails = [report(plain(subject=f"Letter {n}", body=f"Number {n}\n")) for n in range(10)]
    put(made.maildir("box", enabled=False), mails)
    assert made.run("box").new == 10
    made.client.close()
    yield made.folder
    stop_service(socket_of(made.folder))


def test_the_first_command_starts_a_service_and_the_next_finds_it(vault: Path) -> None:
    assert muniment(vault, "search", "letter", "--json").json["total"] == 10
    pid = service_of(vault)
    assert pid
    assert muniment(vault, "status", "--json").json["owner"].startswith(f"process {pid}, ")
    assert service_of(vault) == pid
    end(pid)
    assert not socket_of(vault).exists()
    assert muniment(vault, "tree").code == 0
    assert service_of(vault) not in (0, pid)
