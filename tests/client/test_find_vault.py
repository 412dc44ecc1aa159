"""The vault of the current folder, for commands without --vault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from muniment.client.find_vault import FoundVault, find_vault
from muniment.system.environment import VAULT
from support.engine_double import EngineDouble, invoke
from support.words import state_of_health, status

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives folders to another user")


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a vault to a client, with a folder in it."""
    monkeypatch.delenv(VAULT, raising=False)
    monkeypatch.delenv("SUDO_UID", raising=False)
    made = tmp_path / "mail"
    (made / "ledger" / "torn").mkdir(parents=True)
    (made / "vault.toml").touch()
    made.chmod(0o700)
    return made


def test_a_vault_is_found_in_its_folder_and_below(vault: Path) -> None:
    for start in (vault, vault / "ledger", vault / "ledger" / "torn"):
        assert find_vault(start) == FoundVault(vault)
    assert find_vault(vault.parent) == FoundVault()


def test_commands_in_a_vaults_folder_need_no_option(vault: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from muniment.api import GetHealth, GetStatus

    monkeypatch.chdir(vault / "ledger")
    double = EngineDouble({GetStatus: status(), GetHealth: state_of_health()})
    assert invoke(double, "status", vault="").code == 0
    monkeypatch.setenv(VAULT, "/by/variable")
    assert invoke(double, "status", vault="").code == 0
    assert invoke(double, "status", vault="/by/option").code == 0
    assert double.opened == [vault, Path("/by/variable"), Path("/by/option")]


def test_a_vault_that_others_can_enter_is_not_used_by_itself(
    vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So looks what a clone of a repository brings."""
    vault.chmod(0o755)
    found = find_vault(vault / "ledger")
    assert found.folder is None
    assert found.refused == (
        f"the vault in {vault} can be entered by other users (mode 0755, a vault has 0700): "
        "name it with --vault if you mean it"
    )
    monkeypatch.chdir(vault)
    double = EngineDouble()
    result = invoke(double, "status", vault="")
    assert result.code == 2
    assert found.refused[1:] in result.err
    assert double.opened == []


@as_root
def test_a_vault_of_another_user_is_not_used_by_itself(vault: Path) -> None:
    os.chown(vault, 12345, 12345)
    assert "belongs to another user" in find_vault(vault).refused
    assert find_vault(vault / "ledger").folder is None


@as_root
def test_a_settings_file_of_another_user_is_not_used_by_itself(vault: Path) -> None:
    os.chown(vault / "vault.toml", 12345, 12345)
    assert "belongs to another user" in find_vault(vault).refused


@as_root
def test_the_search_does_not_pass_a_folder_of_another_user(vault: Path) -> None:
    os.chown(vault / "ledger", 12345, 12345)
    assert find_vault(vault / "ledger" / "torn") == FoundVault()


@as_root
def test_a_vault_of_the_user_who_called_sudo_is_found(vault: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (vault, vault / "vault.toml"):
        os.chown(path, 12345, 12345)
    monkeypatch.setenv("SUDO_UID", "12345")
    assert find_vault(vault).folder == vault
    for nonsense in ("", "x", "-1", "²"):
        monkeypatch.setenv("SUDO_UID", nonsense)
        assert find_vault(vault).folder is None


def test_a_folder_that_was_removed_has_no_vault(tmp_path: Path) -> None:
    program = "import os; from muniment.client.find_vault import find_vault; os.rmdir(os.getcwd()); "
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program + "print(find_vault().folder)"],
        cwd=gone,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "None\n", done.stderr


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs another file system")
def test_the_search_stays_on_its_file_system(vault: Path) -> None:
    if Path("/dev/shm").stat().st_dev == Path("/dev").stat().st_dev:
        pytest.skip("/dev/shm is no file system of its own here")
    seen: list[Path] = []
    original = Path.stat

    def stat(path: Path, **options: bool) -> os.stat_result:
        seen.append(path)
        return original(path, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "stat", stat)
        assert find_vault(Path("/dev/shm")) == FoundVault()
    assert Path("/dev/shm") in seen
    assert Path("/dev/vault.toml") not in seen
