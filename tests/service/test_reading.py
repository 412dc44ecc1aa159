"""What a screen requests: pages from any date, attachments, exports of selected messages."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from muniment import api
from muniment.errors import NotFound, UsageError
from support.reports import EPOCH, plain, report
from support.vaults import TestVault

DAY = 86_400
BINARY = bytes(range(256)) * 9_000
"""More bytes than are decoded at a time."""
HTML = "<p>Grüße<br>an alle</p><script>no()</script>".encode()


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> TestVault:
    made = TestVault(tmp_path_factory.mktemp("reading") / "vault")
    mails = [plain(subject=f"number {n}", body=f"invoice {n}\n", date=EPOCH + n * DAY) for n in range(30)]
    files = plain(
            subject="files", date=EPOCH + 40 * DAY,
            attachments=[("a.bin", BINARY), ("page.html", HTML), ("none.txt", b"")],
    )  # fmt: skip
    first, name, rest = files.partition(b"page.html")
    kind = first.rpartition(b"application/octet-stream")
    mails.append(kind[0] + b"text/html; charset=utf-8" + kind[2] + name + rest)
    people = ["bob@example.com"]
    dates = [EPOCH + day * DAY for day in (*range(30), 40)]  # a Date behind its report's is not believed
    made.archive(
        [
            report(mail, recipients=people, sender="anna@example.com", date=date)
            for mail, date in zip(mails, dates, strict=True)
        ]
    )
    return made


def pages(vault: TestVault, request: api.ListMessages | api.Search) -> api.Hits:
    return vault.client.call(request, api.Hits)


def subjects(hits: api.Hits) -> list[str]:
    return [hit.subject for hit in hits.hits]


@pytest.mark.parametrize("searched", [False, True])
def test_a_list_can_be_paged_both_ways_from_a_date(vault: TestVault, searched: bool) -> None:
    def ask(**how: object) -> api.Hits:
        if searched:
            return pages(vault, api.Search(query="invoice", user="bob@example.com", limit=5, **how))  # type: ignore[arg-type]
        return pages(vault, api.ListMessages(user="bob@example.com", folder="Inbox", limit=5, **how))  # type: ignore[arg-type]

    total = 30 if searched else 31
    middle = ask(around=EPOCH + 15 * DAY)
    assert (middle.total, middle.first, middle.exact) == (total, total - 16, True)
    assert subjects(middle) == [f"number {n}" for n in (15, 14, 13, 12, 11)]
    assert subjects(ask(after=middle.after)) == [f"number {n}" for n in (10, 9, 8, 7, 6)]
    back = ask(after=middle.before, oldest_first=True)
    assert subjects(back) == [f"number {n}" for n in (16, 17, 18, 19, 20)]
    assert subjects(ask(oldest_first=True)) == [f"number {n}" for n in range(5)]
    assert ask().first == 0


def test_a_search_returns_marks_and_its_duration(vault: TestVault) -> None:
    found = pages(vault, api.Search(query='invoi* "number 7" -subject:x'))
    assert found.marks == (api.Mark(text="invoi", prefix=True), api.Mark(text="number 7"))
    assert found.seconds > 0


def read(vault: TestVault, number: int, text: bool = False) -> tuple[api.Attachment, bytes, list[str]]:
    (hit,) = vault.search("subject:files")
    first, *replies = vault.client.stream(api.ReadAttachment(id=hit.id, number=number, text=text))
    assert isinstance(first, api.Attachment)
    data = b"".join(reply.data for reply in replies if isinstance(reply, api.Chunk))
    return first, data, [reply.text for reply in replies if isinstance(reply, api.Step)]


def test_an_attachment_is_decoded(vault: TestVault) -> None:
    file, data, notes = read(vault, 1)
    assert (file.filename, file.size, notes) == ("a.bin", len(BINARY), [])
    assert hashlib.sha256(data).digest() == hashlib.sha256(BINARY).digest()
    assert read(vault, 2)[1] == HTML
    assert read(vault, 3)[1] == b""


def test_the_text_of_an_attachment_is_returned(vault: TestVault) -> None:
    _, text, _ = read(vault, 2, text=True)
    assert text.decode() == "Grüße\nan alle"
    with pytest.raises(UsageError, match="not text"):
        read(vault, 1, text=True)
    for number in (0, 4, -1):
        with pytest.raises(NotFound, match="3 attachments"):
            read(vault, number)


def export(vault: TestVault, target: Path, **choice: object) -> tuple[dict[str, object], set[str]]:
    *_, done = vault.client.stream(api.Export(path=str(target), **choice))  # type: ignore[arg-type]
    assert isinstance(done, api.Done)
    head, *entries = map(json.loads, (target / "manifest.jsonl").read_text().splitlines())
    assert {path.name for path in target.glob("*.eml")} == {entry["file"] for entry in entries}
    return head, {entry["sha256"] for entry in entries}


def test_an_export_of_named_messages_and_of_a_folder(vault: TestVault, tmp_path: Path) -> None:
    every = [hit.id for hit in vault.messages()]
    some = tuple(every[3:20])
    head, found = export(vault, tmp_path / "some", query="", ids=(*some, some[0], some[1][:16]))
    assert found == set(some)
    assert head["selected"] == 17
    head, found = export(vault, tmp_path / "inbox", query="", user="bob@example.com", folder="inbox")
    assert found == set(every)
    assert head["folder"] == "Inbox"


def test_a_contradictory_export_is_refused(vault: TestVault, tmp_path: Path) -> None:
    one = vault.messages()[0].id
    for choice in (
        {"query": "a", "ids": (one,)},
        {"query": "", "ids": (one,), "folder": "Inbox"},
        {"query": "", "ids": (one,), "user": "bob@example.com"},
    ):
        with pytest.raises(UsageError, match="only one of them"):
            export(vault, tmp_path / "no", **choice)
    with pytest.raises(UsageError, match="at most"):
        export(vault, tmp_path / "no", query="", ids=(one,) * 10_001)
    with pytest.raises(NotFound):
        export(vault, tmp_path / "no", query="", ids=(one, "0" * 64))
    with pytest.raises(NotFound):
        export(vault, tmp_path / "no", query="", user="bob@example.com", folder="nowhere")
