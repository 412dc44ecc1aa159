"""Attachments are read behind everything else, and searches then find the text inside them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from muniment import api
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.config.file import load
from muniment.config.model import Settings
from muniment.contents.client import ContentsReader
from muniment.contents.model import ReadFile, WantedContents
from muniment.parsing.reader import OpenMail
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.service.contents.attachment_texts import waiting_and_unread
from muniment.service.contents.job import ContentsJob
from muniment.service.contents.keeper import ContentsKeeper
from muniment.service.host.run_host import RunHost
from muniment.service.host.session import ClientSession
from support.attachments import docx, keeping, read_all
from support.erased import erase, left_of, words_in_index
from support.reports import plain
from support.vaults import TestVault, put
from support.waiting import eventually


@pytest.fixture
def made(tmp_path: Path) -> Iterator[TestVault]:
    vault = TestVault(tmp_path / "vault")
    yield vault
    vault.client.close()


def letter(number: int, **attachments: bytes) -> bytes:
    files = [(name.replace("_", "."), data) for name, data in attachments.items()]
    return plain(subject=f"Letter {number}", attachments=files)


def subjects(vault: TestVault, query: str) -> list[str]:
    return sorted(hit.subject for hit in vault.search(query))


def test_text_inside_an_attachment_is_found_once_it_was_read(made: TestVault) -> None:
    made.archive([letter(1, offer_docx=docx("The price of Müller's zeppelin")), letter(2)])
    assert made.status().waiting == 1
    assert made.client.call(api.Search(query="zeppelin"), api.Hits).waiting == 1
    assert subjects(made, "zeppelin") == []
    assert read_all(made.folder) == 1
    assert made.status().waiting == 0
    for query in (
        "zeppelin",
        "attachment:zeppelin",
        'attachment:"müllers zeppelin"',
        "attachment:mueller",
        "attachment:offer",
        "zep*",
    ):
        expected = [] if "müllers" in query else ["Letter 1"]
        assert subjects(made, query) == expected, query
    assert subjects(made, "body:zeppelin") == subjects(made, "filename:zeppelin") == []
    assert subjects(made, "zeppelin subject:2") == []


def test_a_hit_names_the_attachments_that_have_the_words(made: TestVault) -> None:
    files = {"a_docx": docx("barley and rye"), "b_docx": docx("Öl und Gerste"), "c_docx": docx("barley")}
    made.archive([letter(1, **files), letter(2, d_docx=docx("rye"))])
    read_all(made.folder)
    found = {hit.subject: hit.files for hit in made.search("barley OR rye")}
    assert found == {"Letter 1": ("a.docx", "c.docx"), "Letter 2": ("d.docx",)}
    assert [hit.files for hit in made.search("attachment:oel")] == [("b.docx",)]
    assert [hit.files for hit in made.search("attachment:gers*")] == [("b.docx",)]


def test_what_could_not_be_read_is_noted_and_counted(made: TestVault) -> None:
    made.archive([letter(1, broken_docx=docx("words")[:-40], whole_docx=docx("rice"))])
    read_all(made.folder)
    assert made.status().unread == 1
    (hit,) = made.search("has:unreadable")
    notes = {file.filename: file.unread for file in made.show(hit.id).attachments}
    assert notes == {"broken.docx": "damaged, or not what its name says", "whole.docx": ""}
    assert subjects(made, "rice") == ["Letter 1"]


def test_a_message_that_is_written_again_waits_again(made: TestVault) -> None:
    mail = letter(1, offer_docx=docx("zeppelin"))
    made.archive([mail])
    read_all(made.folder)
    made.archive(
        [mail.replace(b"MIME-Version", b"X-Hop: 2\r\nMIME-Version")], journal=False, owner="bob@example.com"
    )
    read_all(made.folder)
    assert len(subjects(made, "zeppelin")) == len(made.messages())


def test_a_rebuild_gives_the_same(made: TestVault) -> None:
    made.archive([letter(n, offer_docx=docx(f"zeppelin number{n}")) for n in range(5)])
    read_all(made.folder)
    before = subjects(made, "attachment:zeppelin")
    made.rebuild()
    assert made.status().waiting == 5
    assert read_all(made.folder) == 5
    assert subjects(made, "attachment:zeppelin") == before
    made.sound()


def test_an_erasure_removes_the_text_of_attachments(made: TestVault) -> None:
    gone = letter(1, a_docx=docx("zyxwvut Öltanker"), b_docx=docx("zyxwvut"))
    stays = letter(2, c_docx=docx("windmills"))
    made.archive([gone, stays])
    read_all(made.folder)
    words = ["zyxwvut", "0:zyxwvut", "attachment:oeltanker", "windmills"]
    assert words_in_index(made, words) == dict(zip(words, (1, 1, 1, 1), strict=True))
    erase(made, [made.search("zyxwvut")[0].id])
    read_all(made.folder)
    assert words_in_index(made, words) == dict(zip(words, (0, 0, 0, 1), strict=True))
    assert left_of(made.folder, [gone], [stays]) == {}
    assert subjects(made, "windmills") == ["Letter 2"]


class Dying(ContentsReader):
    """A reader that ends the process, as a crash does, after some messages."""

    def __init__(self, messages: int) -> None:
        super().__init__()
        self.left = messages

    def read(self, mail: OpenMail, wanted: WantedContents) -> tuple[ReadFile, ...]:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().read(mail, wanted)


def test_a_crash_loses_only_what_was_in_hand(made: TestVault) -> None:
    made.archive([letter(n, a_docx=docx(f"zeppelin number{n}")) for n in range(10)])
    with pytest.raises(KeyboardInterrupt):
        read_all(made.folder, Dying(8), page=3)
    assert made.status().waiting == 4
    assert len(subjects(made, "zeppelin")) == 6
    assert read_all(made.folder) == 4
    assert len(subjects(made, "zeppelin")) == 10


def test_nothing_is_read_while_the_vault_is_busy_and_a_run_loses_nothing(made: TestVault) -> None:
    new = made.maildir("box")
    put(new, [letter(n, a_docx=docx(f"zeppelin number{n}")) for n in range(4)])
    with closing(open_vault(made.folder, write=True)) as vault:
        session = ClientSession(made.folder, vault)
        host = RunHost(session, in_service=True)

        def settings() -> Settings:
            return load(made.folder / "vault.toml")

        with closing(host), ContentsKeeper(session, host, settings, look=0.05):
            for round_ in range(3):
                put(new, [letter(10 + round_, a_docx=docx("zeppelin"), b_docx=docx("barley"))])
                job, _ = host.run("box")
                assert job.result().state == "ok"
            eventually(lambda: waiting_and_unread(vault, settings()) == (0, 0), 30)
    assert len(subjects(made, "zeppelin")) == 7
    made.sound()


class Blocking(ContentsJob):
    """A job that takes its time, as a run does."""

    def __init__(self) -> None:
        super().__init__({})
        self.free = threading.Event()

    def work(self, vault: Vault, pool: WorkerPool, settings: Settings) -> None:
        self.free.wait(60)


class Counting(ContentsReader):
    """A reader that counts messages."""

    def __init__(self) -> None:
        super().__init__()
        self.read_so_far = 0

    def read(self, mail: OpenMail, wanted: WantedContents) -> tuple[ReadFile, ...]:
        self.read_so_far += 1
        return super().read(mail, wanted)


def test_a_run_has_the_machine_for_itself(made: TestVault) -> None:
    made.archive([letter(n, a_docx=docx("zeppelin")) for n in range(3)])
    with closing(open_vault(made.folder, write=True)) as vault:
        session = ClientSession(made.folder, vault)
        host, reader, blocking = RunHost(session, in_service=True), Counting(), Blocking()
        with closing(host):
            host.submit(blocking)
            with ContentsKeeper(session, host, lambda: Settings(), look=0.01, reader=reader):
                time.sleep(0.5)
                assert reader.read_so_far == 0
                blocking.free.set()
                eventually(lambda: waiting_and_unread(vault, Settings()) == (0, 0), 60)
            assert reader.read_so_far == 3


def test_nothing_is_read_if_no_kind_is_named(made: TestVault) -> None:
    with (made.folder / "vault.toml").open("a") as file:
        file.write("\n[contents]\nkinds = []\n")
    made.archive([letter(1, a_docx=docx("zeppelin"))])
    assert read_all(made.folder) == 0
    assert made.status().waiting == 0
    assert subjects(made, "zeppelin") == []


def test_a_damaged_message_waits_for_nothing(made: TestVault) -> None:
    made.archive([letter(1, a_docx=docx("zeppelin")), letter(2, a_docx=docx("barley"))])
    (hit,) = made.search("subject:1")
    with keeping(made.folder) as reading:
        with closing(open_vault(made.folder, write=False)) as vault:
            place = vault.catalog.message_by_prefix(hit.id).position
        segment = next((made.folder / "ledger").glob("*.seg"))
        data = bytearray(segment.read_bytes())
        data[place.offset + 200] ^= 1
        segment.write_bytes(data)
        assert reading.read_page() == 2
        assert reading.read_page() == 0
    assert subjects(made, "has:unreadable") == ["Letter 1"]
