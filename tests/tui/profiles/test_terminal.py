"""The form in a real terminal, in the installed program."""

from __future__ import annotations

import os
import string
from pathlib import Path

import psutil

from muniment.config.file import load
from support.dovecot import Dovecot
from support.services import end, service_of
from support.terminal import MUNIMENT, OpenTerminal
from support.vaults import TestVault

AWKWARD = """a'b"c\\d`e$f{g}[h](i) *?!#%&;|<>~^"""


def test_a_profile_typed_in_a_terminal_reaches_the_server(
    terminal: OpenTerminal, dovecot: Dovecot, tmp_path: Path
) -> None:
    assert set(AWKWARD) < set(string.printable)
    mailbox = dovecot.mailbox(password=AWKWARD)
    vault = TestVault(tmp_path / "vault")
    runtime = {"MUNIMENT_RUNTIME": os.environ["MUNIMENT_RUNTIME"]}
    tty = terminal([*MUNIMENT, "--vault", str(vault.folder)], env=runtime)
    tty.wait_for("2Prof", "● service")
    tty.press("2")
    tty.wait_for("No profiles yet")
    tty.press("a")
    tty.wait_for("Where does the new")
    tty.press("Enter")
    tty.wait_for("New profile")
    for text in ("hq", "localhost", f"{mailbox.name}@gw.example", "", AWKWARD):
        if text:  # below the mailbox is where the password is kept: in the vault
            tty.type(text)
        tty.press("Enter")
    tty.press("F4")
    tty.wait_for("▾ More options")
    for _ in range(5):
        tty.press("Down")
    tty.type(str(dovecot.pop3))
    for _ in range(3):
        tty.press("Down")
    tty.type(str(dovecot.certificates.authority))
    tty.press("F5")
    tty.wait_for("secured by STLS", "logged in as", "listed 0 messages")
    tty.press("Escape", "F2")
    tty.wait_for("Profile hq added")
    service = service_of(vault.folder)
    assert service
    running = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    assert AWKWARD not in tty.screen() + "\n".join(running)
    tty.press("q")
    assert tty.wait_ended() == 0
    (profile,) = load(vault.folder / "vault.toml").profiles
    assert profile.value("mailbox") == mailbox.name
    assert profile.password is not None
    assert (vault.folder / profile.password["file"]).read_text() == AWKWARD + "\n"
    kept = vault.folder / profile.password["file"]
    for path in vault.folder.rglob("*"):
        assert path == kept or not path.is_file() or AWKWARD.encode() not in path.read_bytes(), path
    end(service)
