"""Changes of vault.toml keep what people wrote, and never leave half a file."""

from __future__ import annotations

import errno
import os
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from muniment.config import edit
from muniment.config.edit import create, put_profile, remove_profile, rename_profile, set_values
from muniment.config.file import load, read, version_of
from muniment.errors import ConfigError, MunimentError, NotFound, SettingsChanged, VaultError
from muniment.system.atomic_files import write_file

WRITTEN = """\
# Kept by Anna; ask her first.
version = 1
domains = [
    "harbour.example",   # since 2019
]


[profile.hq]   # the gateway in the cellar
host = "gw.example"     # its name
source = "gateway"
mailbox = "4711"
password = { file = "hq.secret" }

# The firewall lets only this one in.
[gateway]
listen = "127.0.0.1:2525"
addresses = ["j@archive.example"]

[profile.old]
path = "/old.mbox"
source = "mbox"
# the end
"""
FIELDS = {"source": "imap", "host": "mail.example", "mailbox": "a@b.example", "password": {"env": "PASS"}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "vault.toml"
    path.write_text(WRITTEN)
    return path


def leftovers(path: Path) -> list[str]:
    return [entry.name for entry in path.parent.iterdir() if entry != path]


def test_a_changed_field_changes_only_its_line(path: Path) -> None:
    result = put_profile(path, "hq", {"host": "new.example"})
    assert path.read_text() == WRITTEN.replace('"gw.example"', '"new.example"')
    assert result == load(path)
    assert leftovers(path) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_fields_are_added_and_removed(path: Path) -> None:
    put_profile(path, "hq", {"every": 60, "password": {"command": ["pass", "hq"]}, "delete": False})
    put_profile(path, "hq", {"delete": None, "port": None})
    (hq, _) = load(path).profiles
    assert (hq.every, hq.password, hq.delete) == (60, {"command": ["pass", "hq"]}, None)
    assert "every = 60\n\n# The firewall lets only this one in.\n[gateway]\n" in path.read_text()
    for comment in ("# Kept by Anna", "# since 2019", "# its name", "# The firewall", "# the end"):
        assert comment in path.read_text()


def test_a_new_profile_is_added_at_the_end(path: Path) -> None:
    put_profile(path, "new-1", FIELDS | {"port": None}, new=True)
    assert path.read_text().startswith(WRITTEN)
    assert [profile.name for profile in load(path).profiles] == ["hq", "old", "new-1"]
    put_profile(path, "dotted.name", FIELDS, new=True)
    assert load(path).profiles[-1].name == "dotted.name"


def test_a_removed_profile_takes_no_other_with_it(path: Path) -> None:
    remove_profile(path, "hq")
    assert [profile.name for profile in load(path).profiles] == ["old"]
    assert "# The firewall" in path.read_text()
    remove_profile(path, "old")
    assert load(path).profiles == ()
    put_profile(path, "again", FIELDS, new=True)
    assert load(path).profiles[0].name == "again"


def test_values_outside_profiles(path: Path) -> None:
    set_values(
        path, {"name": 'Harbour "Works"', "domains": ("a.example", "b.example"), "gateway.networks": ["::1"]}
    )
    made = load(path)
    assert (made.name, made.domains) == ('Harbour "Works"', ("a.example", "b.example"))
    assert made.gateway.networks == ("::1",)
    set_values(path, {"gateway.networks": None, "name": None})
    assert load(path).name == ""
    assert "networks" not in path.read_text()


def test_a_new_gateway_section(tmp_path: Path) -> None:
    path = tmp_path / "vault.toml"
    create(path, name="Works", domains=["Works.example"])
    set_values(
        path, {"gateway.listen": "127.0.0.1:25", "gateway.addresses": ["j@works.example"], "name": "W"}
    )
    made = load(path)
    assert (made.name, made.domains, made.gateway.listen) == ("W", ("works.example",), "127.0.0.1:25")


def test_create_writes_comments_and_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "vault.toml"
    name = 'Works "R&D"\n\\ {x}'
    assert create(path, name=name).name == name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().count("#") > 10
    before = path.read_bytes()
    with pytest.raises(VaultError, match="already"):
        create(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "fields", "new", "error", "part"),
    [
        ("hq", FIELDS, True, ConfigError, "already"),
        ("nobody", {"every": 1}, False, NotFound, "no profile 'nobody'"),
        ("hq", {"every": 0}, False, ConfigError, "every must be"),
        ("hq", {"evry": 5}, False, ConfigError, "did you mean every"),
        ("hq", {"source": None}, False, ConfigError, "source is missing"),
        ("new", {"source": "imap"}, True, ConfigError, "needs host"),
        ("a b", FIELDS, True, ConfigError, "can't be named"),
        ("new", FIELDS | {"password": "hunter2"}, True, ConfigError, "must not be in the file"),
    ],
)
def test_a_wrong_change_is_not_written(
    path: Path, name: str, fields: dict[str, Any], new: bool, error: type[Exception], part: str
) -> None:
    with pytest.raises(error, match=part) as caught:
        put_profile(path, name, fields, new)
    assert "hunter2" not in str(caught.value)
    assert path.read_text() == WRITTEN
    assert leftovers(path) == []


ODD = """\
name = \"\"\"
[profile.fake]
\"\"\"
domains = [
"a.example", # [gateway]
]
[profile]
hq = { source = "spool", every = 5 }
[ "profile" . 'box' ] # one
  source = "mbox"
  path = '[x]'
# leads to the next
[profile.split]
source = "maildir"
path = "x"
[gateway]
[profile.split.password]
env = "X"
"""


def test_changes_in_unusual_notation(tmp_path: Path) -> None:
    path = tmp_path / "vault.toml"
    path.write_text(ODD)
    put_profile(path, "hq", {"every": 7})
    put_profile(path, "box", {"every": 8})
    put_profile(path, "split", {"every": 9})
    set_values(path, {"domains": ["b.example"]})
    assert [(p.name, p.every) for p in load(path).profiles] == [("hq", 7), ("box", 8), ("split", 9)]
    assert "every = 8\n# leads to the next\n" in path.read_text()
    remove_profile(path, "split")
    remove_profile(path, "hq")
    assert [profile.name for profile in load(path).profiles] == ["box"]
    assert load(path).name == "[profile.fake]\n"


def test_renaming_changes_only_the_header(path: Path) -> None:
    rename_profile(path, "hq", "head.office")
    assert path.read_text() == WRITTEN.replace("[profile.hq]", '[profile."head.office"]')
    rename_profile(path, "head.office", "hq")
    assert path.read_text() == WRITTEN


def test_renaming_in_unusual_notation(tmp_path: Path) -> None:
    path = tmp_path / "vault.toml"
    path.write_text(ODD)
    rename_profile(path, "box", "b2")
    rename_profile(path, "split", "s2")
    assert [profile.name for profile in load(path).profiles] == ["hq", "b2", "s2"]
    assert "[profile.b2] # one\n" in path.read_text()
    assert "[profile.s2.password]\n" in path.read_text()
    before = path.read_text()
    with pytest.raises(ConfigError, match="edit it by hand"):
        rename_profile(path, "hq", "h2")
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("name", "to", "error", "part"),
    [
        ("hq", "old", ConfigError, "already"),
        ("hq", "a b", ConfigError, "can't be named"),
        ("no", "yes", NotFound, "no profile"),
    ],
)
def test_an_impossible_name(path: Path, name: str, to: str, error: type[Exception], part: str) -> None:
    with pytest.raises(error, match=part):
        rename_profile(path, name, to)
    assert path.read_text() == WRITTEN


def test_a_hand_edit_since_it_was_read_is_not_lost(path: Path) -> None:
    version = version_of(read(path))
    by_hand = WRITTEN.replace("old.mbox", "older.mbox")
    path.write_text(by_hand)
    changes: tuple[Callable[[], object], ...] = (
        lambda: put_profile(path, "hq", {"every": 5}, version=version),
        lambda: put_profile(path, "new", FIELDS, True, version),
        lambda: rename_profile(path, "hq", "h2", version),
        lambda: remove_profile(path, "hq", version),
    )
    for change in changes:
        with pytest.raises(SettingsChanged, match="changed by someone else since"):
            change()
    assert path.read_text() == by_hand
    put_profile(path, "hq", {"every": 5}, version=version_of(by_hand))


def test_removing_a_missing_profile(path: Path) -> None:
    with pytest.raises(NotFound):
        remove_profile(path, "nobody")
    assert path.read_text() == WRITTEN


def test_a_hand_edit_at_the_same_time_is_not_lost(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(path: Path, data: bytes, *, durable: bool, last_check: Callable[[], None]) -> None:
        path.write_text(WRITTEN + "# by hand\n")
        write_file(path, data, durable=durable, last_check=last_check)

    monkeypatch.setattr(edit, "write_file", meanwhile)
    with pytest.raises(ConfigError, match="changed by someone else"):
        put_profile(path, "hq", {"every": 60})
    assert path.read_text() == WRITTEN + "# by hand\n"
    assert leftovers(path) == []


@pytest.mark.parametrize("fail_at", ["fsync", "fchmod"])
def test_a_full_disk_leaves_the_file_unchanged(
    path: Path, monkeypatch: pytest.MonkeyPatch, fail_at: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, fail_at, full)
    with pytest.raises(VaultError, match="No space left"):
        put_profile(path, "hq", {"every": 60})
    assert path.read_text() == WRITTEN
    assert leftovers(path) == []


def test_a_link_is_followed(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    put_profile(link, "hq", {"every": 61})
    assert link.is_symlink()
    assert "every = 61" in path.read_text()


NAMES = st.sampled_from(["hq", "old", "n1", "n-2", "n.3"])
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "every": st.integers(1, 1000) | st.none(),
        "path": st.text(min_size=1, max_size=20),
        "enabled": st.booleans() | st.none(),
        "folder": st.text(
            st.characters(blacklist_characters="\r\n\0", blacklist_categories=["Cs"]), max_size=10
        ),
        "password": st.fixed_dictionaries({"command": st.lists(st.text(min_size=1, max_size=5), max_size=3)}),
    },
)


def refused(path: Path, error: type[MunimentError], change: Callable[[], object]) -> None:
    """Check that a change is refused and leaves the file unchanged."""
    before = path.read_text()
    with pytest.raises(error):
        change()
    assert path.read_text() == before


class Model:
    """A model of the file: a dictionary that the same edits change."""

    def __init__(self, path: Path) -> None:
        path.write_text(WRITTEN)
        self.path = path
        self.tables = tomllib.loads(WRITTEN)
        self.profiles: dict[str, dict[str, Any]] = self.tables["profile"]

    def values(self, name: str, _to: str, _fields: dict[str, Any]) -> None:
        set_values(self.path, {"name": name, "gateway.hostname": name})
        self.tables["name"] = self.tables["gateway"]["hostname"] = name

    def remove(self, name: str, _to: str, _fields: dict[str, Any]) -> None:
        if name not in self.profiles:
            refused(self.path, NotFound, lambda: remove_profile(self.path, name))
            return
        remove_profile(self.path, name)
        del self.profiles[name]

    def rename(self, name: str, to: str, _fields: dict[str, Any]) -> None:
        if name not in self.profiles or to in self.profiles:
            error = ConfigError if name in self.profiles else NotFound
            refused(self.path, error, lambda: rename_profile(self.path, name, to))
            return
        rename_profile(self.path, name, to)
        self.profiles[to] = self.profiles.pop(name)

    def put(self, name: str, _to: str, fields: dict[str, Any]) -> None:
        new = name not in self.profiles
        fields = ({"source": "spool"} if new else {}) | fields
        wrong = ConfigError if new is False else NotFound
        refused(self.path, wrong, lambda: put_profile(self.path, name, fields, new=not new))
        put_profile(self.path, name, fields, new=new)
        changed = self.profiles.get(name, {}) | fields
        self.profiles[name] = {key: value for key, value in changed.items() if value is not None}


STEPS = st.tuples(st.sampled_from(["put", "remove", "rename", "values"]), NAMES, NAMES, VALUES)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEPS, max_size=6))
@example(steps=[("rename", "hq", "old", {})])
@example(steps=[("rename", "hq", "hq", {})])
@example(steps=[("put", "n1", "n1", {}), ("rename", "hq", "n-2", {}), ("rename", "old", "n.3", {}),
                ("rename", "n1", "n.3", {})])  # fmt: skip
def test_any_sequence_of_edits_has_the_right_result(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any]
) -> None:
    """The file equals the model after every edit, also after a refused one."""
    model = Model(tmp_path_factory.mktemp("edits") / "vault.toml")
    for what, name, to, fields in steps:
        getattr(model, what)(name, to, fields)
        text = model.path.read_text()
        assert tomllib.loads(text).get("profile", {}) == model.profiles
        assert all(comment in text for comment in ("# Kept by Anna", "# The firewall"))
    assert {**tomllib.loads(model.path.read_text()), "profile": model.profiles} == model.tables


def test_a_change_whose_folder_could_not_be_synced_is_not_denied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vault.toml"
    create(path, name="Quill", domains=["quill.example"])

    def failing(folder: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("muniment.system.atomic_files.sync_folder", failing)
    with pytest.raises(VaultError, match="is written, but may not survive a power failure"):
        set_values(path, {"name": "Feather"})
    assert load(path).name == "Feather"
