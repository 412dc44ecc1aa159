"""The form, by keyboard alone, on the real engine."""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from muniment.api import Problems
from muniment.config.file import load
from muniment.profiles.fields import KIND, KINDS
from muniment_tui.profiles.draft import Draft
from muniment_tui.profiles.form import ProfileForm
from support.dovecot import Dovecot
from support.pilots import Hand, opened
from support.vaults import TestVault

pytestmark = pytest.mark.asyncio

AWKWARD = "".join(c for c in string.printable if c.isprintable() and not c.isalnum())[:29] + "x7\\"
"""32 characters, with quotes, backslashes, brackets and a blank."""


def settings(vault: TestVault) -> Path:
    return vault.folder / "vault.toml"


async def new_gateway(hand: Hand) -> None:
    """Open the form of a new gateway profile."""
    await hand.sees("No profiles yet")
    await hand.press("a")
    await hand.sees("Where is the mail")
    await hand.press("enter")
    await hand.sees("New profile", "Mailbox", "More options")


async def test_a_gateway_from_the_first_key_to_the_test_and_the_file(
    vault: TestVault, dovecot: Dovecot
) -> None:
    mailbox = dovecot.mailbox(password=AWKWARD)
    mailbox.put([b"Subject: one\r\n\r\none\r\n"])
    async with opened(vault.folder, "profiles") as hand:
        await new_gateway(hand)
        for text in ("hq", "localhost", f"{mailbox.name}@gw.provider.example", AWKWARD):
            await hand.type(text)
            await hand.press("enter")
        await hand.sees(
            "@gw.provider.example is left out", "(•) vault", "(•) yes", "300", "(•) automatically"
        )
        assert AWKWARD not in hand.text()
        await hand.press("f4")
        await hand.sees("Authorities")
        for field, text in (("port", str(dovecot.pop3)), ("ca_file", str(dovecot.certificates.authority))):
            form = hand.app.screen
            assert isinstance(form, ProfileForm)
            form._entries[field].entry().focus()
            await hand.type(text)
        await hand.press("f5")
        await hand.sees(
            "is 127.0.0.1", "secured by STLS", "SHA-256", "logged in as", "listed 1 message", "works."
        )
        await hand.press("escape", "f2")
        await hand.sees("Profile hq added", "localhost mbx-")
    (profile,) = load(settings(vault)).profiles
    assert (profile.name, profile.mailbox, profile.delete_on, profile.every) == (
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
        await hand.sees("host must be only a server's name")
        await hand.press("f2")
        await hand.sees("! Host: host must be")
    assert load(settings(vault)).profiles == ()


async def test_an_at_sign_is_dropped_and_can_be_taken_back(vault: TestVault) -> None:
    async with opened(vault.folder, "profiles") as hand:
        await new_gateway(hand)
        await hand.press("down", "down")
        await hand.type("mbx-1@gw")
        form = hand.app.screen
        assert isinstance(form, ProfileForm)
        await hand.sees("@gw is left out")
        assert form.draft.text("mailbox") == "mbx-1"
        await hand.press("backspace", "backspace", "backspace")
        await hand.type("2")
        await hand.until(lambda: form.draft.text("mailbox") == "mbx-12")
        assert "left out" not in hand.text()


async def test_deleting_switched_off_is_warned_about(vault: TestVault) -> None:
    async with opened(vault.folder, "profiles") as hand:
        await new_gateway(hand)
        form = hand.app.screen
        assert isinstance(form, ProfileForm)
        form._entries["delete"].entry().focus()
        await hand.press("right")
        await hand.sees("( ) yes", "(•) no", "! mail stays at the gateway")
        await hand.press("left")
        await hand.until(lambda: "mail stays" not in hand.text())


async def test_a_name_that_is_taken_is_told_by_the_service(vault: TestVault) -> None:
    vault.profile("box", source="spool")
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("box")
        await hand.press("c")
        await hand.sees("New profile")
        await hand.type("box")
        await hand.sees("there is a profile 'box' already")
        await hand.type("2")
        await hand.until(lambda: "already" not in hand.text())
        await hand.press("f2")
        await hand.sees("Profile box2 added")
    assert [one.name for one in load(settings(vault)).profiles] == ["box", "box2"]


async def test_an_edit_changes_its_line_alone(vault: TestVault) -> None:
    vault.profile("box", source="spool", every=60)
    text = settings(vault).read_text().replace("every = 60", "every = 60   # as Ines wanted")
    settings(vault).write_text(text)
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("every 60 s")
        await hand.press("enter")
        await hand.sees("Profile box")
        form = hand.app.screen
        assert isinstance(form, ProfileForm)
        form._entries["every"].entry().focus()
        await hand.press("ctrl+u")
        await hand.type("90")
        await hand.press("f2")
        await hand.sees("Profile box changed", "every 90 s")
    assert settings(vault).read_text() == text.replace("every = 60", "every = 90")


async def test_a_new_name_in_the_form(vault: TestVault) -> None:
    vault.profile("box", source="spool", every=60)
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("every 60 s")
        await hand.press("enter")
        await hand.sees("Profile box")
        form = hand.app.screen
        assert isinstance(form, ProfileForm)
        await hand.type("2")
        form._entries["every"].entry().focus()
        await hand.type("0")
        await hand.press("f2")
        await hand.sees("Profile box2 changed", "every 600 s")
    (profile,) = load(settings(vault)).profiles
    assert (profile.name, profile.every) == ("box2", 600)


async def changed_by_hand(hand: Hand, vault: TestVault, old: str, new: str) -> None:
    """Type another interval, have somebody change the file, and save."""
    await hand.press("enter")
    await hand.sees("Profile hq")
    form = hand.app.screen
    assert isinstance(form, ProfileForm)
    form._entries["every"].entry().focus()
    await hand.type("0")
    text = settings(vault).read_text()
    assert old in text
    settings(vault).write_text(text.replace(old, new))
    await hand.press("f2")


@pytest.fixture
def edited(vault: TestVault) -> TestVault:
    vault.profile("hq", source="gateway", host="gw.example", mailbox="mbx-1", password={"env": "P"}, every=60)
    return vault


async def test_a_change_by_hand_is_shown_and_can_be_kept_beside_mine(edited: TestVault) -> None:
    async with opened(edited.folder, "profiles") as hand:
        await hand.sees("gw.example")
        await changed_by_hand(hand, edited, "gw.example", "gw2.example")
        await hand.sees("vault.toml was changed by hand", "Host: was gw.example, is now gw2.example")
        assert "every = 60\n" in settings(edited).read_text()
        await hand.press("o")
        await hand.sees("Profile hq changed", "gw2.example", "every 600 s")
    (profile,) = load(settings(edited)).profiles
    assert (profile.host, profile.every) == ("gw2.example", 600)


async def test_an_answer_that_comes_as_the_form_goes_away_is_no_matter(edited: TestVault) -> None:
    async with opened(edited.folder, "profiles") as hand:
        await hand.sees("gw.example")
        await hand.press("enter")
        await hand.sees("Profile hq")
        form = hand.app.screen
        assert isinstance(form, ProfileForm)
        await form.query("*").remove()
        form._checked(Problems(problems={"host": "taken"}))
        assert form._problem("host") == "taken", "it was heard all the same"


async def test_a_change_by_hand_can_be_taken_over(edited: TestVault) -> None:
    async with opened(edited.folder, "profiles") as hand:
        await hand.sees("gw.example")
        await changed_by_hand(hand, edited, "every = 60", "every = 77")
        await hand.sees("Every (seconds): was 60, is now 77; here you made it 600")
        await hand.press("f")
        await hand.sees("The form says what vault.toml says now")
        form = hand.app.screen
        assert isinstance(form, ProfileForm)
        assert (form.draft.text("every"), form.unsaved) == ("77", "")
    assert load(settings(edited)).profiles[0].every == 77


async def test_a_change_elsewhere_in_the_file_stops_nobody(edited: TestVault) -> None:
    async with opened(edited.folder, "profiles") as hand:
        await hand.sees("gw.example")
        await changed_by_hand(hand, edited, "# The organisation's name.", "# By hand.")
        await hand.sees("Profile hq changed", "every 600 s")
    assert "# By hand." in settings(edited).read_text()


async def test_a_profile_that_is_gone_can_be_saved_anew(edited: TestVault) -> None:
    async with opened(edited.folder, "profiles") as hand:
        await hand.sees("gw.example")
        await changed_by_hand(hand, edited, "[profile.hq]", "[profile.other]")
        await hand.sees("was taken out of vault.toml")
        await hand.press("o")
        await hand.sees("Profile hq added")
    other, hq = load(settings(edited)).profiles
    assert (other.name, other.every, hq.name, hq.host, hq.every) == ("other", 60, "hq", "gw.example", 600)


@pytest.mark.parametrize("key", ["escape", "2", "q"])
async def test_what_is_unsaved_is_asked_about(edited: TestVault, key: str) -> None:
    async with opened(edited.folder, "profiles") as hand:
        await hand.sees("gw.example")
        await hand.press("enter")
        await hand.sees("Profile hq")
        form = hand.app.screen
        assert isinstance(form, ProfileForm)
        form._entries["delete"].entry().focus()
        await hand.press("right", key)
        await hand.sees("Leave without saving what you changed in profile hq?")
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


async def test_an_authority_that_is_unknown_leads_to_a_pin(vault: TestVault, dovecot: Dovecot) -> None:
    mailbox = dovecot.mailbox()
    draft = Draft(KIND["gateway"], "hq")
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
        await hand.sees("The fingerprint is in the form")
        await hand.press("f5")
        await hand.sees("listed 0 messages")
        await hand.press("f2")
        await hand.sees("Profile hq added")
    (profile,) = load(settings(vault)).profiles
    assert len(profile.fingerprint) == 64


async def test_a_test_can_be_given_up(vault: TestVault) -> None:
    draft = Draft(KIND["gateway"], "hq")
    draft.type("host", "no-such-host.invalid")
    draft.type("mailbox", "mbx-1")
    draft.password = "x"
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("No profiles yet")
        hand.app.push_screen(ProfileForm(draft))
        await hand.sees("New profile")
        await hand.press("f5", "escape")
        await hand.until(lambda: "under way" not in hand.text())
        assert isinstance(hand.app.screen, ProfileForm)
        await hand.press("f5")
        await hand.sees("✗")


async def test_read_only_shows_and_saves_nothing(edited: TestVault) -> None:
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


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_every_kind_has_a_form_whose_fields_are_all_reached(vault: TestVault, kind: object) -> None:
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("No profiles yet")
        form = ProfileForm(Draft(kind))  # type: ignore[arg-type]
        hand.app.push_screen(form)
        await hand.sees("New profile")
        await hand.press("f4")
        seen = set()
        for _ in range(len(form._entries) + 6):
            focused = hand.app.focused
            seen |= {name for name, field in form._entries.items() if focused and field.entry() is focused}
            await hand.press("down")
        assert seen == {name for name, field in form._entries.items() if field.display}


async def test_other_screens_open_it_with_what_they_know(vault: TestVault) -> None:
    saved: list[str | None] = []
    async with opened(vault.folder, "setup") as hand:
        for key in ("escape", "f2"):
            known = {"name": "box", "path": str(vault.folder / "spool")}
            hand.app.open_profile("spool", known, saved.append)
            await hand.sees("New profile", "box", str(vault.folder)[:20])
            if key == "f2":
                (vault.folder / "spool").mkdir(exist_ok=True)
                await hand.press("f2")
                await hand.until(lambda: len(saved) == 2)
            else:
                await hand.press("escape")
                await hand.sees("Leave without saving")
                await hand.press("D")
                await hand.until(lambda: len(saved) == 1)
    assert saved == [None, "box"]
    assert load(settings(vault)).profiles[0].path == str(vault.folder / "spool")


async def test_quitting_elsewhere_comes_back_to_what_is_unsaved(edited: TestVault) -> None:
    async with opened(edited.folder, "profiles") as hand:
        await hand.sees("gw.example")
        await hand.press("enter")
        await hand.sees("Profile hq")
        form = hand.app.screen
        assert isinstance(form, ProfileForm)
        form._entries["delete"].entry().focus()
        await hand.press("right", "3")
        await hand.until(lambda: hand.app.current_mode == "runs")
        await hand.press("q")
        await hand.sees("Leave without saving what you changed in profile hq?")
        assert hand.app.current_mode == "profiles"
        await hand.press("s")
        await hand.sees("mail stays at the gateway", "gw.example")
    assert load(settings(edited)).profiles[0].delete is False


# --- saving what was not tested ---------------------------------------------------------------------


def boxed(vault: TestVault) -> Draft:
    """A new maildir profile that empties its source."""
    for part in ("new", "cur"):
        (vault.folder.parent / "box" / part).mkdir(parents=True, exist_ok=True)
    draft = Draft(KIND["maildir"], "box")
    draft.type("path", str(vault.folder.parent / "box"))
    draft.type("delete", "yes")
    return draft


@pytest.mark.parametrize(
    ("key", "runs"), [("y", True), ("n", False), ("enter", False)], ids=["yes", "no", "enter"]
)
async def test_what_was_not_tested_is_asked_about(vault: TestVault, key: str, runs: bool) -> None:
    async with opened(vault.folder, "profiles") as hand:
        await hand.sees("No profiles yet")
        hand.app.push_screen(ProfileForm(boxed(vault)))
        await hand.sees("New profile")
        await hand.press("f2")
        await hand.sees("box was not tested. Run it from now on, every 300 s? What is safely kept is")
        await hand.press("escape")
        await hand.until(lambda: "was not tested" not in hand.text())
        assert not load(settings(vault)).profiles
        await hand.press("f2")
        await hand.sees("box was not tested")
        await hand.press(key)
        await hand.sees("Profile box added")
    (profile,) = load(settings(vault)).profiles
    assert (profile.scheduled, profile.enabled) == (runs, runs)


async def test_what_was_tested_in_the_form_runs_by_itself_without_a_question(vault: TestVault) -> None:
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


async def test_a_change_of_the_mailbox_is_asked_about_again(edited: TestVault) -> None:
    async with opened(edited.folder, "profiles") as hand:
        await hand.sees("gw.example")
        await hand.press("enter")
        await hand.sees("Profile hq")
        form = hand.app.screen
        assert isinstance(form, ProfileForm)
        form._entries["every"].entry().focus()
        await hand.type("0")
        await hand.press("f2")
        await hand.sees("Profile hq changed")
        await hand.press("enter")
        await hand.until(lambda: isinstance(hand.app.screen, ProfileForm))
        form = hand.app.screen
        assert isinstance(form, ProfileForm)
        form._entries["host"].entry().focus()
        await hand.type("x")
        await hand.press("f2")
        await hand.sees("hq was not tested")
        await hand.press("n")
        await hand.sees("! hq (not tested yet) does not run by itself")
    assert not load(settings(edited)).profiles[0].scheduled
