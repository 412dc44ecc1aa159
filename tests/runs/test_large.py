"""Messages too large for memory: the same guarantees, with files and chunks."""

from __future__ import annotations

import base64
import contextlib
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from muniment import api
from muniment.archive.vault.open_vault import open_vault
from muniment.mail.journal.placeholder import is_message
from support.crashing import command
from support.reports import fork, plain, report
from support.run_workers import run_workers
from support.soak import in_soak
from support.vaults import TestVault, put

BLOB = random.Random(1).randbytes(17_000_000)
"""Larger than one record when decoded."""
LINE = b"A line of text that is like so many others, and has its number: %d\r\n"


@pytest.fixture(autouse=True)
def nothing_left(vault: TestVault) -> Iterator[None]:
    """No test may leave a temporary file behind."""
    yield
    assert leftovers(vault) == []


def leftovers(vault: TestVault) -> list[Path]:
    return list((vault.folder / "work").glob("**/*"))


def drawings(subject: str = "The drawings") -> bytes:
    return plain(subject=subject, attachments=[("drawings.zip", BLOB)])


def lines(size: int) -> bytes:
    count = size // len(LINE)
    return b"".join(LINE % number for number in range(count))


def eight_bit(times: int = 50_000) -> bytes:
    """No MIME, no charset, no line of a normal length."""
    return b"From: anna@example.com\r\nMessage-ID: <raw@x>\r\n\r\n" + bytes(range(32, 256)) * times


def many_parts() -> bytes:
    part = b"--b\r\nContent-Type: application/x-%d\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n"
    content = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5\r\n" * 6
    head = b"From: anna@example.com\r\nSubject: parts\r\nMIME-Version: 1.0\r\n"
    head += b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    return head + b"".join(part % (number, content) for number in range(20_000)) + b"--b--\r\n"


def encoded_texts() -> bytes:
    """Base64 texts that are small one by one, so that each might stay with the message, but large
    together.
    """
    text = plain(body=lines(30_000), subject="texts", attachments=[("a.txt", lines(40_000))] * 300)
    return text.replace(b"application/octet-stream", b"text/plain")


def ragged() -> bytes:
    """Base64 that its content does not give back: one line is longer than the others."""
    whole = drawings("ragged")
    middle = whole.index(b"\r\n", len(whole) // 2)
    return whole[:middle] + whole[middle + 2 :]


FORMS: dict[str, Callable[[], bytes]] = {
    "a large attachment": drawings,
    "a long text": lambda: plain(subject="log", body=lines(20_000_000)),
    "8-bit text without MIME": eight_bit,
    "20,000 parts": many_parts,
    "many encoded texts": encoded_texts,
    "broken base64": ragged,
    "bare line feeds": lambda: drawings("LF").replace(b"\r\n", b"\n"),
    "cut off": lambda: drawings("cut")[:-100_000],
    "no header": lambda: BLOB,
}
RARE = (
    "no header",
    "broken base64",
    "8-bit text without MIME",
    "20,000 parts",
    "many encoded texts",
    "bare line feeds",
    "cut off",
)


@pytest.mark.parametrize("form", [*(form for form in FORMS if form not in RARE), *in_soak(*RARE)])
def test_every_form_comes_back_as_message_and_as_report(vault: TestVault, form: str) -> None:
    mail = FORMS[form]()
    wrapped = report(mail, subject="wrapped", message_id="<wrapped@example.com>")
    summary = vault.archive([mail, wrapped])
    if not is_message(mail):
        # In a report it is listed by the report's envelope, so it is another message.
        assert (summary.state, summary.new, summary.merged, summary.balanced) == ("ok", 2, 0, True)
        whole, within = sorted((vault.raw(hit.id) for hit in vault.messages()), key=len)
        assert whole == mail
        assert mail in within
        vault.sound()
        return
    assert (summary.state, summary.new, summary.merged, summary.balanced) == ("ok", 1, 1, True)
    (hit,) = vault.messages()
    assert vault.raw(hit.id) == mail
    assert {vault.report(hit.id, 1), vault.report(hit.id, 2)} == {mail, wrapped}
    assert vault.show(hit.id).size == len(mail)
    vault.sound()


@pytest.mark.parametrize("encoding", ["base64", *in_soak("quoted-printable")])
def test_an_encoded_original_comes_back(vault: TestVault, encoding: str) -> None:
    mail = plain(subject="encoded", body=lines(9_000_000))
    forks = [report(fork(mail, n), original_encoding=encoding) for n in range(2)]
    summary = vault.archive(forks)
    assert (summary.state, summary.new, summary.merged) == ("ok", 1, 1)
    (hit,) = vault.messages()
    assert b"number: 100000" in vault.raw(hit.id)
    assert [vault.report(hit.id, n) for n in (1, 2)] == forks
    vault.sound()


@pytest.mark.soak
def test_forks_of_a_large_message_share_their_large_parts(vault: TestVault) -> None:
    mail = drawings()
    forks = [report(fork(mail, n), recipients=[f"u{n}@example.com"]) for n in range(3)]
    assert vault.archive(forks[:2]).new == 1
    assert vault.archive(forks[2:]).merged == 1
    (hit,) = vault.search("drawings")
    assert {vault.report(hit.id, n) for n in range(1, 4)} == set(forks)
    assert {f"u{n}@example.com" for n in range(3)} <= set(vault.tree())
    assert vault.status().bytes_ledger < 1.1 * len(BLOB)
    before = dump(vault)
    vault.rebuild()
    assert dump(vault) == before
    vault.sound()


@pytest.mark.parametrize("times", [50_000, *in_soak(90_000)])
def test_forks_of_mail_without_mime_come_back(vault: TestVault, times: int) -> None:
    forks = [report(fork(eight_bit(times), n), recipients=[f"u{n}@example.com"]) for n in range(2)]
    summary = vault.archive(forks)
    assert (summary.state, summary.new, summary.merged) == ("ok", 1, 1)
    (hit,) = vault.messages()
    assert {vault.report(hit.id, n) for n in (1, 2)} == set(forks)
    vault.sound()


def dump(vault: TestVault) -> dict[str, object]:
    opened = open_vault(vault.folder, write=False)
    try:
        return opened.catalog.dump()
    finally:
        opened.close()


def test_an_attachment_of_two_messages_is_stored_once(vault: TestVault) -> None:
    mails = [drawings(subject) for subject in ("First", "Second")]
    assert vault.archive([report(mail) for mail in mails]).new == 2
    assert vault.archive([drawings("Third").replace(b"\r\n", b"\n")]).new == 1
    assert vault.status().bytes_ledger < 1.1 * len(BLOB)
    assert set(mails) < {vault.raw(hit.id) for hit in vault.messages()}
    (hit,) = vault.search("Second")
    (file,) = vault.show(hit.id).attachments
    assert (file.filename, file.size) == ("drawings.zip", len(BLOB))


def test_a_large_report_that_can_not_be_unwrapped_is_quarantined(vault: TestVault) -> None:
    broken = b"X-MS-Journal-Report:\r\nSubject: broken\r\n\r\n" + lines(20_000_000)
    new = vault.maildir("box", delete=True)
    put(new, [broken])
    summary = vault.run("box")
    assert (summary.state, summary.quarantined, summary.deleted) == ("ok", 1, 1)
    (item,) = vault.client.call(api.ListQuarantine(), api.Quarantine).items
    assert vault.quarantined(item.id) == broken
    step, *_ = vault.client.stream(api.RetryQuarantine())
    assert isinstance(step, api.Step)
    assert not step.ok
    vault.rebuild()
    assert vault.quarantined(item.id) == broken
    vault.sound()


@pytest.mark.soak
def test_a_large_repeat_is_read_back_before_it_is_deleted(vault: TestVault) -> None:
    new = vault.maildir("box", delete=True)
    put(new, [report(drawings())] * 2)
    summary = vault.run("box")
    assert (summary.new, summary.merged, summary.deleted) == (1, 1, 2)
    put(new, [report(drawings())])
    assert vault.run("box").merged == 1
    assert list(new.iterdir()) == []


def test_large_mail_that_kills_its_parser_is_stored_whole(
    vault: TestVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_workers(monkeypatch, "support.dying_worker")
    killers = [report(drawings("Killer")), report(plain(subject="Killer", body=lines(9_000_000)))]
    assert vault.archive(killers).new == 2
    for hit in vault.messages():
        assert vault.raw(hit.id) == vault.report(hit.id)
    assert {vault.raw(hit.id) for hit in vault.messages()} == set(killers)
    before = dump(vault)
    vault.rebuild()
    assert dump(vault) == before
    vault.sound()


def test_files_that_a_crash_left_are_removed_when_the_vault_is_opened(vault: TestVault) -> None:
    work = vault.folder / "work"
    work.mkdir(exist_ok=True)
    for name in ("fetched-x.eml", "fetched-x.eml.records", "fetched-x.eml.7.inner"):
        (work / name).write_bytes(b"x" * 1000)
    open_vault(vault.folder, write=True).close()
    assert leftovers(vault) == []


def huge_report(path: Path, size: int) -> None:
    """Write a report of about `size` bytes, piece by piece."""
    head, tail = report(drawings("Huge")).split(b"\r\n\r\n" + base64.b64encode(BLOB[:57]))
    data = random.Random(2).randbytes(57 * 20_000)
    block = base64.encodebytes(data).replace(b"\n", b"\r\n")
    with path.open("wb") as file:
        file.write(head + b"\r\n\r\n")
        for _ in range(size // len(block)):
            file.write(block)
        file.write(tail[tail.index(b"\r\n--_parts") :])


def processes(root: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return [root, *root.children(recursive=True)]
    return []


def peaks(words: list[str]) -> tuple[int, int]:
    """Run a program. Returns the highest RSS of any of its processes, and of all together, in bytes."""
    each = together = 0
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        root = psutil.Process(process.pid)
        while process.poll() is None and root.cmdline() != words:
            time.sleep(0.001)  # before exec, the process has this test's own memory
        while process.poll() is None:
            found = []
            for one in processes(root):
                with contextlib.suppress(psutil.NoSuchProcess):
                    found.append(one.memory_info().rss)
            each, together = max(each, *found, 0), max(together, sum(found))
            time.sleep(0.02)
    assert process.returncode == 0
    return each, together


@pytest.mark.parametrize("size", [60_000_000, *in_soak(150_000_000)])
def test_memory_does_not_grow_with_one_huge_message(vault: TestVault, size: int) -> None:
    new = vault.maildir("box", delete=True)
    put(new, [report(plain(subject=f"No {n}", body=f"Text of {n}\n" * 500)) for n in range(300)])
    huge = new / "00000100.huge"
    huge_report(huge, size)
    assert huge.stat().st_size > size - 2_000_000
    each, together = peaks(command(vault.folder, "run", "box"))
    assert list(new.iterdir()) == []
    assert vault.status().messages == 301
    assert each <= 220_000_000
    assert together <= 300_000_000
    each, together = peaks(command(vault.folder, "verify", "--deep"))
    assert each <= 220_000_000
    each, together = peaks(command(vault.folder, "rebuild"))
    assert each <= 220_000_000
    (hit,) = vault.search("Huge")
    each, together = peaks(command(vault.folder, "show", hit.id, "--raw"))
    assert each <= 220_000_000
