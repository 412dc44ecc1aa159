"""The app's options, and the vault that they select."""

from __future__ import annotations

from pathlib import Path

import pytest

from muniment_tui.launch import LaunchOptions, options
from muniment_tui.shell.vaults import is_vault, named_vault


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", LaunchOptions()),
        ("--read-only", LaunchOptions(read_only=True)),
        ("--vault /srv/v --read-only", LaunchOptions("/srv/v", True)),
        ("--vault=/srv/v", LaunchOptions("/srv/v")),
        ("status", None),
        ("--vault /srv/v status", None),
        ("--vault", None),
        ("--help", None),
        ("--read-only status", None),
    ],
)
def test_options_without_a_command_open_the_app(line: str, expected: LaunchOptions | None) -> None:
    assert options(line.split()) == expected


def test_the_vault_comes_from_the_option_or_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MUNIMENT_VAULT", raising=False)
    assert named_vault("").folder is None
    assert named_vault("v").folder == tmp_path / "v"
    monkeypatch.setenv("MUNIMENT_VAULT", "/srv/v")
    assert named_vault("").folder == Path("/srv/v")
    assert named_vault("/other").folder == Path("/other")


def test_a_vault_is_a_folder_with_vault_toml(tmp_path: Path) -> None:
    assert not is_vault(tmp_path)
    assert not is_vault(tmp_path / "none")
    (tmp_path / "vault.toml").touch()
    assert is_vault(tmp_path)
    assert not is_vault(tmp_path / "vault.toml")
    assert not is_vault(Path("nul\0l"))
