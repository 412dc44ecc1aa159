"""Two daily jobs in a real terminal, with the number of keys that they take."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.reports import EPOCH, plain, report
from support.terminal import CountedKeys, OpenTerminal, Terminal
from support.vaults import TestVault

APP = """
import sys
from pathlib import Path
from muniment.service.dispatch.engine import connect
from muniment_tui.app import MunimentApp
MunimentApp(connect, Path(sys.argv[1])).run()
"""
ANNA, BOB = "anna@example.com", "bob@example.com"
VERIFIER = Path(__file__).parents[3] / "tools" / "verify_export.py"


def mail(number: int, subject: str, sender: str = ANNA, to: str = BOB) -> bytes:
    date = EPOCH + number * 86_400
    files = [("invoice.pdf", b"%PDF")] if "nvoice" in subject else []
    original = plain(sender=f"{sender.partition('@')[0].title()} <{sender}>", to=[to], subject=subject,
                     body=f"text {number}\n", date=date, attachments=files)  # fmt: skip
    return report(original, sender=sender, recipients=[to], date=date)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = TestVault(tmp_path_factory.mktemp("jobs") / "vault")
    letters = [mail(n, f"Minutes {n}", to="carl@example.com") for n in range(40)]
    made.archive([*letters, mail(50, "Invoice 77 for January"), mail(51, "Re: Lunch", BOB, ANNA)])
    return made.folder


def opened(open_terminal: OpenTerminal, vault: Path, tmp_path: Path) -> tuple[Terminal, CountedKeys]:
    """The app on a vault in a terminal, and keys that are counted."""
    script = tmp_path / "app.py"
    script.write_text(APP)
    home = tmp_path / "home"
    window = open_terminal([sys.executable, str(script), str(vault)], env={"HOME": str(home), "TZ": "UTC"})
    window.wait_for("4 ")
    return window, CountedKeys(window)


def closed(window: Terminal) -> None:
    window.press("q")
    assert window.wait_ended() == 0


def test_annas_invoice_to_bob_takes_eight_keys(terminal: OpenTerminal, vault: Path, tmp_path: Path) -> None:
    window, keys = opened(terminal, vault, tmp_path)
    keys.press("4")
    window.wait_for("People")
    keys.type("/invo")
    window.wait_for("1 message", "Invoice 77")
    keys.press("Enter", "Enter")
    seen = window.wait_for("Message-ID", "invoice.pdf")
    assert "Anna <anna@example.com>" in seen
    assert "bob@example.com" in seen
    assert keys.count <= 8
    closed(window)


def test_a_zip_for_an_auditor_takes_one_query_and_five_keys(
    terminal: OpenTerminal, vault: Path, tmp_path: Path
) -> None:
    query = "between:anna,bob"
    window, keys = opened(terminal, vault, tmp_path)
    keys.press("4")
    window.wait_for("People")
    keys.type(f"/{query}")
    window.wait_for("2 messages", "Invoice 77", "Re: Lunch")
    keys.press("Enter")
    keys.type("*x")
    window.wait_for("Export 2 messages")
    keys.press("Enter")
    window.wait_for("2 messages exported")
    assert keys.count == len(query) + 6
    closed(window)
    made = tmp_path / "home" / "mail.zip"
    with zipfile.ZipFile(made) as packed:
        assert sum(name.endswith(".eml") for name in packed.namelist()) == 2
    done = subprocess.run(
        [sys.executable, "-I", str(VERIFIER), str(made)], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("2 messages, 2 of them proven"), done.stderr
    assert done.returncode == 0
