"""The list of profiles and its actions."""

from __future__ import annotations

import pytest

from muniment.config.file import load
from support.dovecot import Dovecot
from support.engine_double import FORBIDDEN
from support.pilots import opened
from support.reports import line, plain, report
from support.screens import LARGE
from support.vaults import TestVault

pytestmark = pytest.mark.asyncio


def profiles(vault: TestVault) -> dict[str, bool]:
    """Whether each profile runs automatically, by name."""
    return {one.name: one.enabled for one in load(vault.folder / "vault.toml").profiles}


async def test_disable_rename_remove(vault: TestVault) -> None:
    vault.profile("one", source="spool")
    vault.profile("two", source="mbox", path="/srv/old.mbox")
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("one", "two", "never ran")
        await hand.press("d")
        await hand.sees("Stop automatic runs of one?")
        await hand.press("enter")
        await hand.until(lambda: "Stop automatic" not in hand.text())
        assert profiles(vault) == {"one": True, "two": True}
        await hand.press("d", "y")
        await hand.sees("one now runs by hand only", "by hand", "! one runs by hand only")
        assert profiles(vault) == {"one": False, "two": True}
        await hand.press("d")
        await hand.sees("Run one automatically every 300 s? Archived mail is deleted")
        await hand.press("y")
        await hand.sees("one now runs automatically", "every 300 s")
        await hand.until(lambda: "! one" not in hand.text())
        assert profiles(vault) == {"one": True, "two": True}
        await hand.press("down", "m")
        await hand.sees("New name for two")
        await hand.press("ctrl+u")
        await hand.type("one")
        await hand.press("enter")
        await hand.sees("a profile 'one' already exists")
        await hand.press("ctrl+u")
        await hand.type("old")
        await hand.press("enter")
        await hand.sees("Profile two is now old", "› old")
        await hand.press("x")
        await hand.sees("Remove profile old?")
        await hand.press("enter")
        assert set(profiles(vault)) == {"one", "old"}
        await hand.type("old")
        await hand.press("enter")
        await hand.sees("Profile old removed")
        assert set(profiles(vault)) == {"one"}
        await hand.press("x", "escape")
        await hand.until(lambda: "Remove profile" not in hand.text())
    assert set(profiles(vault)) == {"one"}


async def test_run_now_reports_the_result(vault: TestVault) -> None:
    new = vault.maildir("box")
    message = plain(sender="a@example.com", to=["b@example.com"], subject="one", body="one")
    (new / "1.test").write_bytes(report(message, recipients=[line("To", "b@example.com")]))
    async with opened(vault.folder, "profiles", LARGE) as hand:
        await hand.sees("box", "never ran")
        await hand.press("r")
        await hand.sees("box: ok, 1 new", "✓ ok, 1 new")


async def test_a_test_from_the_list(vault: TestVault, dovecot: Dovecot) -> None:
    mailbox = dovecot.mailbox()
    vault.profile(
        "hq", source="gateway", host="localhost", port=dovecot.pop3, mailbox=mailbox.name,
        ca_file=str(dovecot.certificates.authority), password={"command": ["echo", mailbox.password]},
    )  # fmt: skip
    async with opened(vault.folder, "profiles", LARGE) as hand:
        await hand.sees("hq")
        await hand.press("t")
        await hand.sees("logged in as", "listed 0 messages", "Profile hq works")
        await hand.press("escape")
        await hand.until(lambda: "works" not in hand.text())


async def test_an_action_does_not_overwrite_an_edited_file(vault: TestVault) -> None:
    vault.profile("box", source="spool")
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("box")
        path = vault.folder / "vault.toml"
        path.write_text(path.read_text() + "every = 7\n")
        await hand.press("d", "y")
        await hand.sees("vault.toml was edited", "every 7 s")
        assert profiles(vault) == {"box": True}
        await hand.press("escape", "d", "y")
        await hand.sees("now runs by hand only")
    assert "every = 7" in path.read_text()


async def test_a_broken_file_is_explained(vault: TestVault) -> None:
    path = vault.folder / "vault.toml"
    path.write_text(path.read_text() + "[profile.x]\nsource = gateway\n")
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("The profiles can't be loaded", "Invalid value")


async def test_profiles_are_filtered_by_name(vault: TestVault) -> None:
    for name in ("alpha", "beta"):
        vault.profile(name, source="spool")
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("alpha", "beta")
        await hand.press("slash")
        await hand.sees("Show profiles with this")
        await hand.type("BET")
        await hand.press("enter")
        await hand.until(lambda: "alpha" not in hand.text())
        assert "beta" in hand.text()


async def test_hostile_values_are_made_harmless(vault: TestVault) -> None:
    path = vault.folder / "vault.toml"
    hostile = "\\u001b]0;owned\\u0007[/x][bold red]\\u202e\\u200b"
    path.write_text(path.read_text() + f'[profile.x]\nsource = "mbox"\npath = "{hostile}"\n')
    async with opened(vault.folder, "profiles", LARGE) as hand:
        await hand.sees("[bold red]")
        assert not [character for character in FORBIDDEN if character in hand.text().replace("\n", "")]
        await hand.press("enter")
        await hand.sees("Profile x")
        assert not [character for character in FORBIDDEN if character in hand.text().replace("\n", "")]
