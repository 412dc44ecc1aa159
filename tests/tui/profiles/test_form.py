"""The profile form, driven by keys against the real engine."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from textual.content import Content

from muniment.api import Problems
from muniment.config.file import load
from muniment.profiles.registry import KIND, KINDS
from muniment_tui.profiles.draft import ProfileDraft
from muniment_tui.profiles.form import ProfileForm
from support.dovecot import Dovecot
from support.pilots import Hand, opened
from support.soak import in_soak
from support.vaults import TestVault

pytestmark = pytest.mark.asyncio

AWKWARD = "".join(c for c in string.printable if c.isprintable() and not c.isalnum())[:29] + "x7\\"
"""32 characters, with quotes, backslashes, brackets and a space."""


def settings(vault: TestVault) -> Path:
    return vault.folder / "vault.toml"


async def new_gateway(hand: Hand) -> None:
    """Open the form of a new gateway profile."""
    await hand.sees("No profiles yet")
    await hand.press("a")
    await hand.sees("Where does the new")
    await hand.press("enter")
    await hand.sees("New profile", "Mailbox", "More options")


async def open_form(hand: Hand, name: str) -> ProfileForm:
    """Open the form of the profile at the cursor."""
    await hand.press("enter")
    await hand.sees(f"Profile {name}")
    form = hand.app.screen
    assert isinstance(form, ProfileForm)
    return form


async def test_a_new_gateway_is_entered_tested_and_saved(vault: TestVault, dovecot: Dovecot) -> None:
    mailbox = dovecot.mailbox(password=AWKWARD)
    mailbox.put([b"Subject: one\r\n\r\none\r\n"])
    async with opened(vault.folder, "profiles") as hand:
        await new_gateway(hand)
        for text in ("hq", "localhost", f"{mailbox.name}@gw.provider.example", "", AWKWARD):
            await hand.type(text)
            await hand.press("enter")
        await hand.sees("@gw.provider.example is ignored", "(•) vault", "(•) yes", "300", "(•) automatically")
        assert AWKWARD not in hand.text()
        await hand.press("f4")
        await hand.sees("Authorities")
        for field, text in (("port", str(dovecot.pop3)), ("ca_file", str(dovecot.certificates.authority))):
            form = hand.app.screen
            assert isinstance(form, ProfileForm)
            form.editor._entries[field].entry().focus()
            await hand.type(text)
        await hand.press("f5")
        await hand.sees(
            "is 127.0.0.1", "secured by STLS", "SHA-256", "logged in as", "listed 1 message", "works."
        )
        await hand.press("escape", "f2")
        await hand.sees("Profile hq added", "localhost mbx-")
    (profile,) = load(settings(vault)).profiles
    assert (profile.name, profile.value("mailbox"), profile.delete_on, profile.every) == (
        "hq",
        mailbox.name,
        True,
        300,
    )
    assert profile.password is not None
    kept = vault.folder / profile.password["file"]
    assert kept.read_bytes() == AWKWARD.encode() + b"\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert AWKWARD not in settings(vault).read_text()


async def test_errors_appear_while_typing(vault: TestVault) -> None:
    async with opened(vault.folder, "profiles") as hand:
        await new_gateway(hand)
        await hand.type("a b")
        await hand.sees("✗ a profile can't be named")
        await hand.press("backspace", "backspace")
        await hand.until(lambda: "can't be named" not in hand.text())
        await hand.press("down")
        await hand.type("gw/x")
        await hand.sees("Host must be only a server's name")
        await hand.press("f2")
        await hand.sees("! Host: Host must be")
    assert load(settings(vault)).profiles == ()


async def test_text_after_an_at_sign_is_dropped_and_can_be_deleted(vault: TestVault) -> None:
    async with opened(vault.folder, "profiles") as hand:
        await new_gateway(hand)
        await hand.press("down", "down")
        await hand.type("mbx-1@gw")
        form = hand.app.screen
        assert isinstance(form, ProfileForm)
        await hand.sees("@gw is ignored")
        assert form.editor.draft.text("mailbox") == "mbx-1"
        await hand.press("backspace", "backspace", "backspace")
        await hand.type("2")
        await hand.until(lambda: form.editor.draft.text("mailbox") == "mbx-12")
        assert "ignored" not in hand.text()


async def test_turning_deletion_off_shows_a_warning(vault: TestVault) -> None:
    async with opened(vault.folder, "profiles") as hand:
        await new_gateway(hand)
        form = hand.app.screen
        assert isinstance(form, ProfileForm)
        form.editor._entries["delete"].entry().focus()
        await hand.press("right")
        await hand.sees("( ) yes", "(•) no", "! mail stays at the gateway")
        await hand.press("left")
        await hand.until(lambda: "mail stays" not in hand.text())


async def test_the_service_reports_a_name_in_use(vault: TestVault) -> None:
    vault.profile("box", source="spool")
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("box")
        await hand.press("c")
        await hand.sees("New profile")
        await hand.type("box")
        await hand.sees("there is already a profile 'box'")
        await hand.type("2")
        await hand.until(lambda: "already" not in hand.text())
        await hand.press("f2")
        await hand.sees("Profile box2 added")
    assert [one.name for one in load(settings(vault)).profiles] == ["box", "box2"]


async def test_an_edit_changes_only_its_line(vault: TestVault) -> None:
    vault.profile("box", source="spool", every=60)
    text = settings(vault).read_text().replace("every = 60", "every = 60   # as Ines wanted")
    settings(vault).write_text(text)
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("every 60 s")
        form = await open_form(hand, "box")
        form.editor._entries["every"].entry().focus()
        await hand.press("ctrl+u")
        await hand.type("90")
        await hand.press("f2")
        await hand.sees("Profile box changed", "every 90 s")
    assert settings(vault).read_text() == text.replace("every = 60", "every = 90")


async def test_renaming_in_the_form(vault: TestVault) -> None:
    vault.profile("box", source="spool", every=60)
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("every 60 s")
        form = await open_form(hand, "box")
        await hand.type("2")
        form.editor._entries["every"].entry().focus()
        await hand.type("0")
        await hand.press("f2")
        await hand.sees("Profile box2 changed", "every 600 s")
    (profile,) = load(settings(vault)).profiles
    assert (profile.name, profile.every) == ("box2", 600)


async def save_over_edit(hand: Hand, vault: TestVault, old: str, new: str) -> None:
    """Type another interval, edit the file meanwhile, and save."""
    form = await open_form(hand, "hq")
    form.editor._entries["every"].entry().focus()
    await hand.type("0")
    text = settings(vault).read_text()
    assert old in text
    settings(vault).write_text(text.replace(old, new))
    await hand.press("f2")


@pytest.fixture
def edited(vault: TestVault) -> TestVault:
    vault.profile("hq", source="gateway", host="gw.example", mailbox="mbx-1", password={"env": "P"}, every=60)
    return vault


async def test_an_edited_file_is_shown_and_merged(edited: TestVault) -> None:
    async with opened(edited.folder, "profiles") as hand:
        await hand.sees("gw.example")
        await save_over_edit(hand, edited, "gw.example", "gw2.example")
        await hand.sees("vault.toml was edited", "Host: was gw.example, is now gw2.example")
        assert "every = 60\n" in settings(edited).read_text()
        await hand.press("o")
        await hand.sees("Profile hq changed", "gw2.example", "every 600 s")
    (profile,) = load(settings(edited)).profiles
    assert (profile.value("host"), profile.every) == ("gw2.example", 600)


async def test_an_answer_for_a_closed_form_is_harmless(edited: TestVault) -> None:
    async with opened(edited.folder, "profiles") as hand:
        await hand.sees("gw.example")
        form = await open_form(hand, "hq")
        await form.query("*").remove()
        form.editor._checked(Problems(problems={"host": "taken"}))
        assert form.editor._problem("host") == "taken", "the answer is still recorded"
        form.say(Content("a field had the focus before"))


async def test_an_edited_file_can_replace_the_form(edited: TestVault) -> None:
    async with opened(edited.folder, "profiles") as hand:
        await hand.sees("gw.example")
        await save_over_edit(hand, edited, "every = 60", "every = 77")
        await hand.sees("Every (seconds): was 60, is now 77; you changed it to 600")
        await hand.press("f")
        await hand.sees("The form now shows the settings in vault.toml")
        form = hand.app.screen
        assert isinstance(form, ProfileForm)
        assert (form.editor.draft.text("every"), form.unsaved) == ("77", "")
    assert load(settings(edited)).profiles[0].every == 77


async def test_edits_elsewhere_in_the_file_need_no_question(edited: TestVault) -> None:
    async with opened(edited.folder, "profiles") as hand:
        await hand.sees("gw.example")
        await save_over_edit(hand, edited, "# The organisation's name.", "# By hand.")
        await hand.sees("Profile hq changed", "every 600 s")
    assert "# By hand." in settings(edited).read_text()


async def test_a_removed_profile_can_be_saved_again(edited: TestVault) -> None:
    async with opened(edited.folder, "profiles") as hand:
        await hand.sees("gw.example")
        await save_over_edit(hand, edited, "[profile.hq]", "[profile.other]")
        await hand.sees("was removed from vault.toml")
        await hand.press("o")
        await hand.sees("hq was not tested. Run it automatically every 600 s? Archived mail is deleted")
        await hand.press("y")
        await hand.sees("Profile hq added")
    other, hq = load(settings(edited)).profiles
    assert (other.name, other.every) == ("other", 60)
    assert (hq.name, hq.value("host"), hq.every) == ("hq", "gw.example", 600)


@pytest.mark.parametrize("key", ["escape", "2", "q"])
async def test_leaving_asks_about_unsaved_changes(edited: TestVault, key: str) -> None:
    async with opened(edited.folder, "profiles") as hand:
        await hand.sees("gw.example")
        form = await open_form(hand, "hq")
        form.editor._entries["delete"].entry().focus()
        await hand.press("right", key)
        await hand.sees("Leave without saving your changes to profile hq?")
        await hand.press("enter", "escape")
        await hand.until(lambda: "Leave without" not in hand.text())
        assert hand.app.screen is form
        await hand.press(key)
        await hand.sees("Leave without saving")
        await hand.press("D")
        if key == "q":
            await hand.until(lambda: hand.app.return_code == 0)
        else:
            await hand.sees("Last run")
    assert load(settings(edited)).profiles[0].delete is None


async def test_a_certificate_of_an_unknown_authority_can_be_pinned(
    vault: TestVault, dovecot: Dovecot
) -> None:
    mailbox = dovecot.mailbox()
    draft = ProfileDraft(KIND["gateway"], "hq")
    for name, text in {"host": "localhost", "port": str(dovecot.pop3), "mailbox": mailbox.name}.items():
        draft.type(name, text)
    draft.password = mailbox.password
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("No profiles yet")
        hand.app.push_screen(ProfileForm(draft))
        await hand.sees("New profile")
        await hand.press("f5")
        await hand.sees("authority that is not", "Press p")
        await hand.press("p")
        await hand.sees("The fingerprint is now in the form")
        await hand.press("f5")
        await hand.sees("listed 0 messages")
        await hand.press("f2")
        await hand.sees("Profile hq added")
    (profile,) = load(settings(vault)).profiles
    assert len(profile.value("fingerprint")) == 64


async def test_a_test_can_be_stopped(vault: TestVault) -> None:
    draft = ProfileDraft(KIND["gateway"], "hq")
    draft.type("host", "no-such-host.invalid")
    draft.type("mailbox", "mbx-1")
    draft.password = "x"
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("No profiles yet")
        hand.app.push_screen(ProfileForm(draft))
        await hand.sees("New profile")
        await hand.press("f5", "escape")
        await hand.until(lambda: "test running" not in hand.text())
        assert isinstance(hand.app.screen, ProfileForm)
        await hand.press("f5")
        await hand.sees("✗")


async def test_read_only_shows_the_form_without_saving(edited: TestVault) -> None:
    before = settings(edited).read_bytes()
    async with opened(edited.folder, "profiles", read_only=True) as hand:
        await hand.sees("gw.example")
        for key in ("a", "c", "m", "x", "d"):
            await hand.press(key)
            await hand.sees("the app was started with --read-only")
            await hand.press("escape")
        await hand.press("enter")
        await hand.sees("Profile hq")
        await hand.press("f2")
        await hand.sees("Save is off")
    assert settings(edited).read_bytes() == before


@pytest.mark.parametrize("kind", [KINDS[0], *in_soak(*KINDS[1:])], ids=lambda kind: kind.name)
async def test_all_fields_of_every_kind_can_be_reached(vault: TestVault, kind: object) -> None:
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("No profiles yet")
        form = ProfileForm(ProfileDraft(kind))  # type: ignore[arg-type]
        hand.app.push_screen(form)
        await hand.sees("New profile")
        await hand.press("f4")
        seen = set()
        for _ in range(len(form.editor._entries) + 6):
            focused = hand.app.focused
            seen |= {
                name for name, field in form.editor._entries.items() if focused and field.entry() is focused
            }
            await hand.press("down")
        assert seen == {name for name, field in form.editor._entries.items() if field.display}


async def test_quitting_elsewhere_returns_to_unsaved_changes(edited: TestVault) -> None:
    async with opened(edited.folder, "profiles") as hand:
        await hand.sees("gw.example")
        form = await open_form(hand, "hq")
        form.editor._entries["delete"].entry().focus()
        await hand.press("right", "3")
        await hand.until(lambda: hand.app.current_mode == "runs")
        await hand.press("q")
        await hand.sees("Leave without saving your changes to profile hq?")
        assert hand.app.current_mode == "profiles"
        await hand.press("S")
        await hand.sees("mail stays at the gateway", "gw.example")
    assert load(settings(edited)).profiles[0].delete is False


async def test_a_merge_asks_before_an_untested_profile_runs(edited: TestVault) -> None:
    """Neither a change elsewhere in the file nor one of the profile itself lets it run unasked."""
    text = settings(edited).read_text()
    settings(edited).write_text(text.replace("enabled = true", "enabled = false\nuntested = true"))
    async with opened(edited.folder, "profiles") as hand:
        await hand.sees("gw.example")
        form = await open_form(hand, "hq")
        form.editor._entries["enabled"].entry().focus()
        await hand.press("left")
        text = settings(edited).read_text()
        settings(edited).write_text(text.replace("gw.example", "gw2.example"))
        await hand.press("f2")
        await hand.sees("Host: was gw.example, is now gw2.example")
        await hand.press("o")
        await hand.sees("hq was not tested. Run it automatically every 60 s? Archived mail is deleted")
        assert not load(settings(edited)).profiles[0].scheduled
        settings(edited).write_text(settings(edited).read_text() + "# by hand\n")
        await hand.press("n")
        await hand.sees("It runs by hand only.")
    (profile,) = load(settings(edited)).profiles
    assert (profile.scheduled, profile.value("host")) == (False, "gw2.example")


async def test_a_missing_path_is_refused_whenever_it_is_saved(vault: TestVault) -> None:
    vault.profile("old", source="mbox", path="/gone/old.mbox")
    before = settings(vault).read_text()
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("old")
        form = await open_form(hand, "old")
        form.editor._entries["name"].entry().focus()
        await hand.press("f2")
        await hand.sees("! Path: /gone/old.mbox does not exist")
        await hand.press("escape", "escape")  # the notice, then the form
        await hand.until(lambda: not isinstance(hand.app.screen, ProfileForm))
        draft = ProfileDraft(KIND["eml"], "new")
        draft.type("path", "/gone/new")
        hand.app.push_screen(ProfileForm(draft))
        await hand.sees("New profile", "(•) by hand only")
        await hand.press("f2")
        await hand.sees("! Path: /gone/new does not exist")
    assert settings(vault).read_text() == before


# --- saving what was not tested ---------------------------------------------------------------------


def boxed(vault: TestVault) -> ProfileDraft:
    """A new maildir profile that empties its source."""
    for part in ("new", "cur"):
        (vault.folder.parent / "box" / part).mkdir(parents=True, exist_ok=True)
    draft = ProfileDraft(KIND["maildir"], "box")
    draft.type("path", str(vault.folder.parent / "box"))
    draft.type("delete", "yes")
    return draft


@pytest.mark.parametrize(
    ("key", "runs"), [("y", True), ("n", False), ("enter", False)], ids=["yes", "no", "enter"]
)
async def test_saving_an_untested_profile_asks_whether_it_runs(
    vault: TestVault, key: str, runs: bool
) -> None:
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("No profiles yet")
        hand.app.push_screen(ProfileForm(boxed(vault)))
        await hand.sees("New profile")
        await hand.press("f2")
        await hand.sees("box was not tested. Run it automatically every 300 s? Archived mail is")
        await hand.press("escape")
        await hand.until(lambda: "was not tested" not in hand.text())
        assert not load(settings(vault)).profiles
        await hand.press("f2")
        await hand.sees("box was not tested")
        await hand.press(key)
        await hand.sees("Profile box added")
    (profile,) = load(settings(vault)).profiles
    assert (profile.scheduled, profile.enabled) == (runs, runs)


async def test_a_tested_profile_is_saved_without_a_question(vault: TestVault) -> None:
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("No profiles yet")
        hand.app.push_screen(ProfileForm(boxed(vault)))
        await hand.sees("New profile")
        await hand.press("f5")
        await hand.sees("Profile box works.")
        await hand.press("escape", "f2")
        await hand.sees("Profile box added")
    (profile,) = load(settings(vault)).profiles
    assert profile.scheduled


async def test_another_mailbox_asks_again(edited: TestVault) -> None:
    async with opened(edited.folder, "profiles") as hand:
        await hand.sees("gw.example")
        form = await open_form(hand, "hq")
        form.editor._entries["every"].entry().focus()
        await hand.type("0")
        await hand.press("f2")
        await hand.sees("Profile hq changed")
        await hand.press("enter")
        await hand.until(lambda: isinstance(hand.app.screen, ProfileForm))
        again = hand.app.screen
        assert isinstance(again, ProfileForm)
        again.editor._entries["host"].entry().focus()
        await hand.type("x")
        await hand.press("f2")
        await hand.sees("hq was not tested")
        await hand.press("n")
        await hand.sees("! hq (not tested yet) runs by hand only")
    assert not load(settings(edited)).profiles[0].scheduled
