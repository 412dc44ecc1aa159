"""The reading workers: they give what mail/ gives, and a mail that kills one costs only its own answer."""

from __future__ import annotations

import base64
import os
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from muniment.errors import MailUnreadable
from muniment.mail.content.content_hash import content_hash
from muniment.mail.journal.report import read_report
from muniment.mail.notes import UNREAD
from muniment.mail.text.outline import read_outline
from muniment.mail.text.read_text import read_message, read_text
from muniment.parsing.pool import MODULE, PATIENCE, ReaderPool
from muniment.parsing.process import WorkersUnusable
from muniment.parsing.reader import OpenMail, mail_of
from muniment.parsing.tasks import CONTENT, COPY, CopyFacts, ReaderRequest
from muniment.parsing.worker import answer
from support.hostile_mail import CRASH, GROW, HANG, RAISE, hostile, hostile_parser
from support.reports import EPOCH, plain, report

BLOB = bytes(range(256)) * 40_000
"""Content of a large mail's attachment. More than 8 MiB of it goes through files."""


@pytest.fixture(scope="module")
def reader() -> Iterator[ReaderPool]:
    """Reading workers with the real parser."""
    with closing(ReaderPool()) as pool:
        yield pool


@pytest.fixture
def fragile(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReaderPool]:
    """Reading workers with the hostile parser."""
    with hostile_parser(monkeypatch), closing(ReaderPool(size=2)) as pool:
        yield pool


def letters(count: int) -> list[bytes]:
    """Different messages with text."""
    return [plain(subject=f"Grüße {n}", body=f"word{n} äöü\n", cc=["eve@example.com"]) for n in range(count)]


def mails(contents: Iterable[bytes], outline: bool = False) -> Iterator[OpenMail]:
    """Mails to read, each with its own name."""
    for number, content in enumerate(contents):
        yield OpenMail(content, f"mail {number}".encode(), outline=outline)


def test_workers_give_what_the_readers_give(reader: ReaderPool) -> None:
    contents = letters(200)
    assert list(reader.texts(mails(contents))) == [read_text(one) for one in contents]
    assert list(reader.texts(mails(contents, outline=True))) == [read_outline(one)[1] for one in contents]
    for found, one in zip(reader.messages(mails(contents)), contents, strict=True):
        assert not isinstance(found, MailUnreadable)
        assert (found.summary, found.content, found.size) == (
            read_message(one)[0],
            content_hash(one),
            len(one),
        )


def test_workers_unwrap_reports_and_read_routing_headers(reader: ReaderPool) -> None:
    original = plain()
    wrapped = report(original)
    expected = read_report(wrapped)
    assert expected is not None
    found = reader.copy(OpenMail(wrapped), journal=True)
    assert (found.report, found.tenant, found.parties) == (True, expected.tenant, expected.envelope.parties)
    plainly = reader.copy(OpenMail(original), journal=True)
    assert (plainly.report, plainly.problem) == (False, "")
    assert {party.address for party in plainly.parties} == {"anna@example.com", "bob@example.com"}


def test_a_report_that_can_not_be_unwrapped_is_routed_by_its_own_headers() -> None:
    broken = report(b"", recipients=["bob@example.com"])
    found = COPY.decoder.decode(answer(ReaderRequest(COPY.name, len(broken), option=1), broken).value)
    assert isinstance(found, CopyFacts)
    assert not found.report
    assert found.problem


def test_a_large_mail_and_its_attachment_go_through_files(reader: ReaderPool, tmp_path: Path) -> None:
    large = plain(subject="Large", attachments=[("blob.bin", BLOB), ("small.txt", b"text")])
    assert len(large) > 8 * 1024 * 1024
    view = reader.view(mail_of([large[:1000], large[1000:]], len(large), tmp_path))
    assert [file.filename for file in view.files] == ["blob.bin", "small.txt"]
    with tempfile.TemporaryFile(dir=tmp_path) as into:
        found = reader.content(mail_of([large], len(large), tmp_path), 1, into)
        into.seek(0)
        assert into.read() == BLOB
        assert (found.size, found.data, found.count) == (len(BLOB), b"", 2)
    assert list(tmp_path.iterdir()) == []
    several = [plain(), large, plain(subject="after")]
    found_texts = list(reader.texts(mail_of([one], len(one), tmp_path) for one in several))
    assert found_texts == [read_text(one) for one in several]


@pytest.mark.parametrize("outline", [False, True])
def test_a_document_has_the_content_and_text_of_all_its_files(
    reader: ReaderPool, tmp_path: Path, outline: bool
) -> None:
    inner = plain(subject="Inner", attachments=[("deep.txt", b"deep words")])
    mail = plain(
        subject="Outer", headers=["In-Reply-To: <a@example.com>", "References: <b@example.com>"],
        attachments=[("blob.bin", BLOB[:300_000]), ("list.txt", b"a list"), ("letter.eml", inner)],
    )  # fmt: skip
    with tempfile.TemporaryFile(dir=tmp_path) as into, tempfile.TemporaryFile(dir=tmp_path) as file:
        file.write(mail)
        file.flush()
        into.write(BLOB)
        into.flush()
        found = reader.document(OpenMail(file, b"name", outline=outline), into)
        into.seek(0)
        read = [(into.read(one.size), into.read(one.text_size)) for one in found.files]
        assert into.read() == b""
    assert [content for content, _ in read[:3]] == [BLOB[:300_000], b"a list", inner]
    assert dict(found.headers)["In-Reply-To"] == "<a@example.com>"
    assert dict(found.headers)["References"] == "<b@example.com>"
    assert found.date == EPOCH
    if outline:
        assert [text for _, text in read] == [b"", b"", b""]
        assert (found.text, found.notes) == ("", (UNREAD,))
    else:
        assert [text.strip() for _, text in read[:2]] == [b"", b"a list"]
        assert b"Subject: Inner" in read[2][1]
        assert read[3][0] == b"deep words"
        assert found.files[3].info.within == 3
        assert found.text == read_text(mail).body


def test_the_half_written_attachment_of_a_dead_worker_is_not_kept(tmp_path: Path) -> None:
    large = plain(attachments=[("blob.bin", BLOB)])
    mail = mail_of([large], len(large), tmp_path)
    assert not isinstance(mail.content, bytes)
    with closing(mail), tempfile.TemporaryFile(dir=tmp_path) as into:
        into.write(BLOB[:1000] + BLOB)
        into.flush()
        answer(ReaderRequest(CONTENT.name, -1, option=1), mail.content.fileno(), into.fileno())
        into.seek(0)
        assert into.read() == BLOB


def test_a_part_of_a_mail_can_be_read(reader: ReaderPool) -> None:
    original = plain(subject="Inner")
    wrapped = report(original)
    start = wrapped.index(original)
    view = reader.view(OpenMail(wrapped, start=start, end=start + len(original)))
    assert dict(view.headers)["Subject"] == "Inner"


@pytest.mark.parametrize("word", [CRASH, HANG, GROW, RAISE])
def test_a_mail_that_kills_workers_is_reported_as_unreadable(fragile: ReaderPool, word: str) -> None:
    with pytest.raises(MailUnreadable):
        fragile.view(OpenMail(hostile(word), b"killer"))
    view = fragile.view(OpenMail(hostile(word), b"killer", outline=True))
    assert dict(view.headers)["Subject"] == f"subject {word.lower()}"
    assert fragile.view(OpenMail(plain(), b"another")).text


def test_a_mail_that_kills_workers_among_many_costs_only_itself(fragile: ReaderPool) -> None:
    contents = letters(100)
    contents[30], contents[70] = hostile(CRASH), hostile(RAISE)
    found = list(fragile.texts(mails(contents)))
    assert [n for n, one in enumerate(found) if isinstance(one, MailUnreadable)] == [30, 70]
    assert found[31] == read_text(contents[31])


def test_a_mail_that_killed_workers_is_not_given_to_others(
    fragile: ReaderPool, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        with pytest.raises(MailUnreadable):
            fragile.view(OpenMail(hostile(CRASH), b"killer"))
    assert sum("died" in one.message for one in caplog.records) == 2
    list(
        fragile.texts(
            [OpenMail(plain(), b"one"), OpenMail(hostile(CRASH), b"killer"), OpenMail(plain(), b"two")]
        )
    )
    assert sum("died" in one.message for one in caplog.records) == 2


def test_an_idle_worker_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(ReaderPool(idle=0.2)) as pool:
        assert pool.pids == []
        pool.view(OpenMail(plain()))
        (pid,) = pool.pids
        deadline = time.monotonic() + 20
        while pool.pids:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert pool.view(OpenMail(plain())).text


def test_many_threads_share_a_few_workers() -> None:
    contents = letters(40)
    texts: dict[int, str] = {}
    with closing(ReaderPool(size=2)) as pool:

        def read(number: int) -> None:
            texts[number] = pool.view(OpenMail(contents[number])).text

        threads = [threading.Thread(target=read, args=(number,)) for number in range(40)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(60)
        assert len(pool.pids) <= 2
    assert texts == {number: read_text(one).body for number, one in enumerate(contents)}


def test_an_abandoned_reader_leaves_nothing_open(reader: ReaderPool, tmp_path: Path) -> None:
    large = b"Subject: large\r\n\r\n" + b"x" * 9_000_000

    def failing() -> Iterator[OpenMail]:
        yield mail_of([large], len(large), tmp_path)
        yield OpenMail(plain())
        raise OSError("the disk failed")

    with pytest.raises(OSError, match="the disk failed"):
        list(reader.texts(failing()))
    several = reader.texts(mail_of([large], len(large), tmp_path) for _ in range(6))
    next(several)
    several.close()  # type: ignore[attr-defined]


def test_workers_that_can_not_work_are_not_blamed_on_mail() -> None:
    with closing(ReaderPool(module="muniment.no_such_module")) as pool:
        with pytest.raises(WorkersUnusable, match="repair the installation"):
            pool.view(OpenMail(plain(), b"innocent"))
        with pytest.raises(WorkersUnusable):
            list(pool.texts(mails(letters(3))))
        pool.module = MODULE
        assert pool.view(OpenMail(plain(), b"innocent")).text


def test_a_suspended_worker_is_not_blamed_on_the_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail that was being read while the machine was suspended can be read later."""
    mail = OpenMail(plain(), b"innocent")
    with closing(ReaderPool(module="support.stalling_reader", patience=1.0)) as pool:
        with monkeypatch.context() as patch:
            patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
            with pytest.raises(MailUnreadable, match="no answer within"):
                pool.view(mail)
        pool.module, pool.patience = MODULE, PATIENCE
        assert pool.view(mail).text


def test_an_answer_of_another_type_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with closing(ReaderPool(module="support.lying_reader")) as pool:
        with pytest.raises(MailUnreadable):
            pool.copy(OpenMail(plain()), journal=False)
        assert all(isinstance(one, MailUnreadable) for one in pool.texts(mails(letters(3))))


def test_base64_passes_through_the_pipe_unchanged(reader: ReaderPool) -> None:
    data = os.urandom(5000)
    mail = plain(attachments=[("data.bin", data)])
    assert base64.b64encode(data)[:60] in mail
    assert reader.content(OpenMail(mail), 1).data == data
