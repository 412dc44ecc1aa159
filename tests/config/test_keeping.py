"""A stored password is read back unchanged, by its entry in vault.toml."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.config.edit import create, put_profile
from muniment.config.file import load
from muniment.config.password_store import FOLDER, forget, is_kept, keep
from muniment.config.secrets import resolve
from muniment.errors import ConfigError, VaultError

PASSWORDS = st.text(
    st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1, max_size=64
)


@settings(max_examples=50, deadline=None)
@given(password=PASSWORDS)
def test_any_password_is_read_back_unchanged(tmp_path_factory: pytest.TempPathFactory, password: str) -> None:
    folder = tmp_path_factory.mktemp("vault")
    create(folder / "vault.toml")
    spec = keep(password, "file", "gw", folder)
    fields = {"source": "gateway", "host": "gw.example", "mailbox": "m", "password": spec}
    put_profile(folder / "vault.toml", "gw", fields, new=True)
    (profile,) = load(folder / "vault.toml").profiles
    assert profile.password is not None
    assert resolve(profile.password, folder).reveal() == password


def test_only_a_stored_password_is_deleted(tmp_path: Path) -> None:
    spec = keep("one", "file", "gw", tmp_path)
    again = keep("two", "file", "gw", tmp_path)
    assert spec != again
    assert stat.S_IMODE((tmp_path / FOLDER).stat().st_mode) == 0o700
    own = tmp_path / "own"
    own.write_text("mine")
    for other in (None, {"file": str(own)}, {"file": f"{FOLDER}/../own"}, {"env": "P"}, {"file": 3}):
        assert not is_kept(other)
        forget(other, tmp_path)
    assert own.exists()
    forget(spec, tmp_path)
    forget(spec, tmp_path)
    assert [path.read_text() for path in (tmp_path / FOLDER).iterdir()] == ["two\n"]


def test_a_password_that_can_not_be_stored(tmp_path: Path) -> None:
    (tmp_path / FOLDER).touch()
    with pytest.raises(VaultError, match="can't be stored") as caught:
        keep("xyzzy", "file", "gw", tmp_path)
    assert "xyzzy" not in str(caught.value)
    with pytest.raises(ConfigError, match="choose one of them"):
        keep("xyzzy", "post-it", "gw", tmp_path)
