"""Runs of the real program in its own process, killed at random moments."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from support.dovecot import Dovecot, Mailbox
from support.graph_boxes import graph_profile
from support.graph_double import GraphDouble
from support.graph_double import Mailbox as Mailbox365
from support.reports import fork, line, plain, report
from support.vaults import TestVault


def sample_reports(count: int) -> list[bytes]:
    """Distinct reports, among them forks, shared attachments, and some that can't be unwrapped."""
    blob = bytes(range(256)) * 40
    reports = []
    for number in range(count):
        if number % 41 == 40:
            reports.append(b"X-MS-Journal-Report:\r\nX-Number: %d\r\n\r\nbroken\r\n" % number)
            continue
        base = number - number % 3 if number % 5 == 0 else number
        files = [("shared.bin", blob)] if number % 7 == 0 else []
        original = plain(subject=f"Message {base}", body=f"Text of {base}\n" * 20, attachments=files)
        people = [f"user{number % 11}@example.com", line("Bcc", f"user{number % 13}@example.com")]
        reports.append(report(fork(original, number), recipients=people, date=1_700_000_000 + number))
    return reports


def command(vault: Path, *words: str) -> list[str]:
    """The command line that runs the engine."""
    return [sys.executable, "-m", "muniment", "--vault", str(vault), *words]


def run_killed(vault: Path, profile: str, after: float) -> bool:
    """Start a run and kill -9 it after `after` seconds. Returns whether it was still running then."""
    process = subprocess.Popen(
        command(vault, "run", profile), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        process.wait(after)
        return False
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        return True


def crash_loop(
    vault: TestVault, dovecot: Dovecot, kind: str, kills: int, mails: Sequence[bytes], seed: int
) -> None:
    """Empty a mailbox by runs that are killed again and again. Nothing may be lost or stored twice."""
    rng = random.Random(seed)
    mailbox = dovecot.mailbox(password="p'a\"s\\s word")
    server_profile(vault, dovecot, mailbox, kind)
    mailbox.put(mails[:3])
    began = time.monotonic()
    subprocess.run(command(vault.folder, "run", "box"), check=True, capture_output=True)
    whole = time.monotonic() - began + 1.0
    remaining = list(mails[3:])
    killed = 0
    while killed < kills:
        batch = remaining[: max(5, len(mails) // kills)]
        remaining = remaining[len(batch) :]
        mailbox.put(batch)
        began = time.monotonic()
        if run_killed(vault.folder, "box", rng.uniform(0.1, 1.0) * whole):
            killed += 1
            continue
        whole = (
            time.monotonic() - began + 0.2
        )  # the time of a run now: the load of the machine may have changed
        if not remaining:
            mailbox.put(rng.sample(list(mails), 20))
    mailbox.put(remaining)
    assert_complete(vault, mailbox, mails)


def graph_crash_loop(
    vault: TestVault, graph: GraphDouble, mailbox: Mailbox365, kills: int, mails: Sequence[bytes], seed: int
) -> None:
    """The same for a mailbox of Microsoft 365. Bytes differ at each read, so messages are counted."""
    rng = random.Random(seed)
    graph_profile(vault, graph, mailbox=mailbox.address, delete=True)
    mailbox.put(mails[:3])
    began = time.monotonic()
    subprocess.run(command(vault.folder, "run", "box"), check=True, capture_output=True)
    whole = time.monotonic() - began + 1.0
    remaining = list(mails[3:])
    size = max(5, len(mails) // kills)
    for _ in range(kills):
        while True:
            mailbox.put(remaining[:size] or rng.sample(list(mails), 20))
            remaining = remaining[size:]
            if run_killed(vault.folder, "box", rng.uniform(0.3, 1.0) * whole):
                break
    mailbox.put(remaining)
    summary = vault.run("box")
    assert (summary.state, summary.balanced, summary.error) == ("ok", True, "")
    assert mailbox.messages() == []
    _, messages = kept(vault)
    assert len(messages) == len(mails)
    assert set(messages.values()) == {1}
    assert len(vault.messages()) == min(len(mails), 1000)
    vault.sound()


def server_profile(vault: TestVault, dovecot: Dovecot, mailbox: Mailbox, kind: str, **more: object) -> None:
    """A profile named "box" that empties a mailbox of the server."""
    secret = vault.folder / "secret"
    secret.write_text(mailbox.password + "\n")
    secret.chmod(0o600)
    port = dovecot.pop3 if kind == "gateway" else dovecot.imaps
    fields: dict[str, object] = {
        "source": kind,
        "host": "127.0.0.1",
        "port": port,
        "mailbox": mailbox.name,
        "password": {"file": str(secret)},
        "ca_file": str(dovecot.certificates.authority),
        "journal": True,
        "delete": True,
        "timeout": 20,
    }
    vault.profile("box", **(fields | more))


def assert_complete(vault: TestVault, mailbox: Mailbox, mails: Sequence[bytes]) -> None:
    """A last run completes. The vault then has every mail, none twice, and is sound."""
    summary = vault.run("box")
    assert (summary.state, summary.balanced, summary.error) == ("ok", True, "")
    assert mailbox.files() == []
    copies, messages = kept(vault)
    assert {hashlib.sha256(mail).hexdigest() for mail in mails} <= set(copies)
    assert [sha for sha, count in copies.items() if count > 1] == []
    assert [sha for sha, count in messages.items() if count > 1] == []
    vault.sound()


def kept(vault: TestVault) -> tuple[Counter[str], Counter[str]]:
    """How often each copy (quarantined ones included) and each message is in the ledger."""
    from muniment.archive.ledger.model import RecordKind
    from muniment.archive.ledger.reader import scan
    from muniment.archive.vault.layout import segments_of

    copies: Counter[str] = Counter()
    messages: Counter[str] = Counter()
    for frame in scan(segments_of(vault.folder)):
        if frame.kind in (RecordKind.ENVELOPE, RecordKind.QUARANTINE):
            copies[frame.sha.hex()] += 1
        elif frame.kind is RecordKind.MESSAGE:
            messages[frame.sha.hex()] += 1
    return copies, messages
