"""Two vaults that differ only in other people's mail give a plain user the same answers to all requests.

Permitted differences are removed first: ids and positions look random to their reader (which is checked), and
the paths and processes of the two vaults get equal names.
"""

from __future__ import annotations

import io
import itertools
import json
import random
import re
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import product
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment import api
from muniment.api import Request, WireWord
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import MunimentError
from muniment.people.changes import set_id_key
from muniment.service.access.roles import Caller
from muniment.service.host.session import ClientSession
from muniment.service.operations import own_mail as view
from support.asking import answers
from support.reports import EPOCH, fork, line, plain, report
from support.vaults import TestVault

BOB = Caller(61_000, 61_000, 1, "bob")
ACCESS = '\n[access.users]\nbob = "bob@example.com"\n'
MANY = "zoe@example.com, yves@example.com, xaver@example.com"
WORDS = ("quokka", "zugspitze", "acquisition", "layoffs", "report", "meeting")


def own_mail(hidden: str) -> list[bytes]:
    """Bob's mail: some words are in all of it, some in one mail. `hidden`: its Bcc recipients."""
    mails = []
    for number in range(12):
        body = " ".join(word for place, word in enumerate(WORDS) if number % (place + 1) == 0)
        letter = plain(
            sender="Anna <anna@example.com>" if number % 3 else "Bob <bob@example.com>",
            to=["anna@example.com"] if number % 3 == 0 else ["bob@example.com"],
            cc=["carol@example.com"] if number % 4 == 0 else [],
            subject=f"own{number} {WORDS[number % len(WORDS)]}",
            body=f"{body} own{number}\n" * (1 + number % 5),
            date=EPOCH + 86_400 * (number // 2),
            attachments=[(f"plan{number}.txt", b"plan " * number)] if number % 5 == 0 else [],
            headers=[f"X-MS-Exchange-Hidden: {hidden}"] + ([f"Bcc: {hidden}"] if number % 3 else []),
        )  # fmt: skip
        sent = number % 3 == 0
        recipients = [line("To", "anna@example.com" if sent else "bob@example.com")]
        mails.append(
            report(
                letter, sender="bob@example.com" if sent else "anna@example.com", recipients=recipients,
                date=EPOCH + 86_400 * (number // 2),
            )
        )  # fmt: skip
    return mails


def others_mail() -> list[bytes]:
    """Mail of others, with all words of Bob's mail and many others, and further copies of Bob's mail."""
    chance = random.Random(7)
    mails = []
    for number in range(60):
        words = " ".join(chance.choices((*WORDS, "xyzzy", "plugh"), k=30))
        letter = plain(
            sender="Eve <eve@example.com>", to=["eve@example.com", "frank@else.org"],
            subject=f"others{number} {words[:20]}", body=words, date=EPOCH + 3600 * number,
            attachments=[(f"plan{number}.txt", b"plan " * (number % 5))],
        )  # fmt: skip
        mails.append(report(letter, recipients=[line("To", "eve@example.com")], date=EPOCH + 3600 * number))
    return mails


class Twin:
    """One of the two vaults, and Bob's requests to it."""

    def __init__(self, folder: Path, hidden: str, before: list[bytes], after: list[bytes]) -> None:
        vault = TestVault(folder)
        vault.client.call(api.AddUser(name="Bob", addresses=("bob@example.com", "b@example.com")), api.Done)
        if before:
            vault.client.call(api.AddUser(name="Eve", addresses=("eve@example.com", "e@else.org")), api.Done)
            vault.archive(before)
        vault.archive(own_mail(hidden))
        if after:
            vault.archive(after)
        with (folder / "vault.toml").open("a") as file:
            file.write(ACCESS)
        self.vault = open_vault(folder, write=True)
        self.vault.change_directory(lambda _: [set_id_key(b"k" * 32)], EPOCH)
        self.folder = folder
        self._names: dict[str, str] = {}
        (hits,) = self.send(api.Search(query="", limit=1000))
        assert isinstance(hits, api.Hits)
        self.ids = {hit.subject.split()[0]: hit.id for hit in hits.hits}
        shas = {row.sha.hex() for row in self.vault.catalog.rows(list(range(2000)))}
        assert not shas & set(self.ids.values())

    def send(self, request: Request) -> list[WireWord]:
        return answers(ClientSession(self.folder, self.vault, BOB), request)

    def answer(self, request: Request) -> tuple[str, str]:
        """All replies to Bob, with ids and positions made equal; and the position of the next page."""
        try:
            replies = self.send(request)
        except MunimentError as error:
            return self._alike(f"{type(error).__name__}: {error}"), ""
        after = next((reply.after for reply in replies if isinstance(reply, api.Hits)), "")
        content = _content([reply.data for reply in replies if isinstance(reply, api.Chunk)])
        rest = [reply for reply in replies if not isinstance(reply, api.Chunk)]
        text = json.dumps([type(reply).__name__ + json.dumps(msgspec.to_builtins(reply)) for reply in rest])
        return self._alike(text + content), after

    def _alike(self, text: str) -> str:
        for name, id_ in self.ids.items():
            for digits in (64, 20, 16, 12, 8):
                text = text.replace(id_[:digits], f"<{name}>")
        text = re.sub(r'owner\\": \\"[^"]*"', 'owner": "<owner>"', text)
        text = re.sub(r'((?:after|before)\\": \\")[\w-]{100,}', r"\1<place>", text)
        return text.replace(str(self.folder), "<vault>")

    def named(self, request: Request) -> Request:
        """The same request, with this vault's ids in place of the names of messages."""
        changes: dict[str, object] = {}
        for field in ("id", "query"):
            value = getattr(request, field, None)
            if isinstance(value, str):
                changes[field] = re.sub(r"<(own\d+)(?::(\d+))?>", self._id, value)
        if isinstance(request, api.Export):
            changes["ids"] = tuple(re.sub(r"<(own\d+)(?::(\d+))?>", self._id, one) for one in request.ids)
        return msgspec.structs.replace(request, **changes)

    def _id(self, found: re.Match[str]) -> str:
        return self.ids[found[1]][: int(found[2] or 64)]


def _content(pieces: list[bytes]) -> str:
    """Bytes as text; a zip as its content."""
    data = b"".join(pieces)
    if data[:2] != b"PK":
        return data.decode("latin-1")
    end = data.rfind(b"PK\x05\x06")
    with zipfile.ZipFile(io.BytesIO(data[: end + 22])) as archive:
        return json.dumps([(name, archive.read(name).decode("latin-1")) for name in archive.namelist()])


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Twin, Twin]]:
    root = tmp_path_factory.mktemp("others")
    letters = own_mail(MANY)
    stranger = fork(plain(to=["bob@example.com"], subject="nothing of bob's"), 3)
    copies = [report(stranger, recipients=["eve@example.com"])]
    with ExitStack() as stack:
        small = Twin(root / "small", "eve@example.com", [], [])
        large = Twin(
            root / "large", MANY, others_mail(),
            [*others_mail()[:5], *copies, *(_to_eve(letter) for letter in letters)],
        )  # fmt: skip
        for twin in (small, large):
            stack.enter_context(closing(twin.vault))
        yield small, large


def _to_eve(letter: bytes) -> bytes:
    """Another report of a message of Bob's, which was also sent to Eve by Bcc."""
    inner = letter[letter.index(b"message/rfc822") :].split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 2)[0]
    return report(
        inner, sender="anna@example.com", recipients=[line("Bcc", "eve@example.com")], date=EPOCH + 5
    )


QUERIES = (
    "", *WORDS, "xyzzy", "quok*", "q*", '"quokka zugspitze"', "-quokka", "quokka OR layoffs",
    "subject:quokka",
    "body:quokka OR body:acquisition", "from:anna", "to:bob@example.com", "cc:carol@example.com", "own-quo*",
    "bcc:eve@example.com", "bcc:zoe@example.com", "to:eve@example.com", "to:zoe@example.com", "in:inbox",
    "in:sent", "in:nowhere", "-in:inbox", "user:bob@example.com", "user:eve@example.com", "user:nobody@x.org",
    "has:attachment", "filename:plan0", "larger:1k", "smaller:1k", "larger:700", "smaller:700", "larger:900",
    "after:2023-11-16", "before:2023-11-18", "on:2023-11-15", "id:<own3>", "id:<own4:8>", "id:ffffffff",
    "id:00000000", "id:zz", "(", "from:", "own*", "plan*", "zugspitze acquisition meeting",
)  # fmt: skip
PATTERNS = (
    "*uokka", "qu*ka", "q*okka", '"quokka zug*"', '"*kka z*spitze"', "Quoekka", "quoe*", "link:quokka",
    "from:*@example.com", "from:an*@example.com", "to:eve@", "to:e*@*.com", "to:*@else.org", "link:*okka*",
    "bcc:eve@", "bcc:ev*@*", "-bcc:*@example.com", "bcc:*@example.com", "cc:car*@example.com",
    "own0@example.com", "msgid:x@example.com", "msgid:own1@example.com", "thread:own1@example.com",
    "thread:x@example.com", "-thread:x@example.com", "thread:<own0>", "thread:<own4:8>", "thread:ffffffff",
)  # fmt: skip
"""Queries with wildcards, parts of addresses, Message-IDs, threads and links."""
IDS = (
    "<own0>",
    "<own1:8>",
    "<own2:20>",
    "<own5>",
    "ffffffff",
    "00000000",
    "0123456789abcdef" * 4,
    "zz",
    "",
    "f" * 65,
)
NAMES = ("bob@example.com", "b@example.com", "eve@example.com", "e@else.org", "catch-all", "nobody@x.org", "")


def requests(path: Path) -> Iterator[Request]:
    """Every request of a plain user, with many values of its fields."""
    yield from (api.GetStatus(), api.GetTree(), api.ListUsers())
    yield from (api.ShowUser(user=name) for name in NAMES)
    yield from (
        api.Search(query=query, limit=limit, by_relevance=best, oldest_first=oldest, around=around)
        for query, limit, best, oldest, around in product(
            QUERIES, (1, 5, 1000), (False, True), (False, True), (None, EPOCH + 90_000)
        )
    )
    yield from (api.Search(query=query, user=name) for query, name in product(QUERIES[:4], NAMES))
    yield from (
        api.ListMessages(user=name, folder=folder, limit=limit, oldest_first=oldest, around=around)
        for name, folder, limit, oldest, around in product(
            NAMES, ("Inbox", "sent", "nowhere"), (1, 50), (False, True), (None, EPOCH + 90_000, 2**70)
        )
    )
    yield from (api.Show(id=one) for one in IDS)
    whats = ("message", "headers", "report", "quarantine", "other")
    yield from (api.ReadRaw(id=one, what=what, report=1) for one, what in product(IDS, whats))
    yield from (
        api.ReadAttachment(id=one, number=number, text=text)
        for one, number, text in product(IDS, (0, 1, 2), (False, True))
    )
    yield from (
        api.Export(query=query, path=str(path / f"e{number}{end}"))
        for number, (query, end) in enumerate(product(QUERIES, ("", ".mbox", ".zip")))
    )
    yield from (api.Export(query="", ids=(one, "<own1>"), path=str(path / "i")) for one in IDS)
    yield from (
        api.Export(query="", user=name, folder=folder, path=str(path / "f"))
        for name, folder in product(NAMES, ("Inbox", "nowhere"))
    )


def test_patterns_and_ids_reveal_nothing_of_others_mail(twins: tuple[Twin, Twin]) -> None:
    for query in PATTERNS:
        for best in (False, True):
            _same(twins, api.Search(query=query, by_relevance=best))


def test_other_peoples_mail_does_not_change_the_answers_to_a_plain_user(twins: tuple[Twin, Twin]) -> None:
    """A sample of all requests, the same each time."""
    some = random.Random(3).sample(list(requests(Path("/nowhere"))), 300)
    assert {type(request) for request in some} >= {api.Search, api.ListMessages, api.Show, api.Export}
    for request in some:
        _same(twins, request)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_all_requests_give_a_plain_user_the_same_answers_in_both_vaults(twins: tuple[Twin, Twin]) -> None:
    assert sum(_same(twins, request) for request in requests(Path("/nowhere"))) > 1500


def _same(twins: tuple[Twin, Twin], request: Request) -> int:
    """Send a request to both vaults, and follow the pages; returns the number of compared answers."""
    places = ("", "")
    for turned in itertools.count(1):
        answers = []
        for twin, place in zip(twins, places, strict=True):
            asked = twin.named(request)
            if place:
                asked = msgspec.structs.replace(asked, after=place)
            answers.append(twin.answer(asked))
        assert answers[0][0] == answers[1][0], request
        places = (answers[0][1], answers[1][1])
        if not all(places) or turned == 3:
            assert bool(places[0]) == bool(places[1]), request
            return turned
    raise AssertionError


def _joined(two: tuple[str, str]) -> st.SearchStrategy[str]:
    one, other = two
    return st.sampled_from([f"{one} {other}", f"({one}) OR ({other})", f"-({one}) {other}"])


terms = st.sampled_from([query for query in QUERIES if query and query not in ("(", "from:", "id:zz")])


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.recursive(terms, lambda inner: st.tuples(inner, inner).flatmap(_joined), max_leaves=4),
    st.booleans(), st.booleans(), st.sampled_from((1, 3, 50)),
)  # fmt: skip
def test_no_query_reveals_other_peoples_mail(
    twins: tuple[Twin, Twin], query: str, best: bool, oldest: bool, limit: int
) -> None:
    _same(twins, api.Search(query=query, by_relevance=best, oldest_first=oldest, limit=limit))


def test_the_number_behind_counts_own_mail_only(
    twins: tuple[Twin, Twin], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "is_bound", lambda *_: True)
    for late in range(12):
        counts = []
        for twin in twins:
            found = sorted(
                row.sequence for row in twin.vault.catalog.rows(list(range(2000))) if row.subject[:3] == "own"
            )
            state = replace(twin.vault.index_place.state(), watermark=found[late])
            with monkeypatch.context() as patched:
                patched.setattr(type(twin.vault.index_place), "state", lambda _, state=state: state)
                (status,) = twin.send(api.GetStatus())
            assert isinstance(status, api.Status)
            counts.append(status.behind)
        assert counts == [12 - late] * 2


def test_a_position_from_another_list_is_refused(twins: tuple[Twin, Twin]) -> None:
    small, _ = twins
    (first,) = small.send(api.Search(query="own*", limit=2))
    assert isinstance(first, api.Hits)
    forged = ("ffffffffffffffff.100000.0", "1700000000.5", first.after[:-4] + "AAAA", "é", "A" * 500)
    others = (
        api.Search(query="quokka", limit=2, after=first.after),
        api.Search(query="own*", limit=2, after=first.after, by_relevance=True),
        api.ListMessages(user="bob@example.com", folder="Inbox", after=first.after),
        *(api.Search(query="own*", after=one) for one in forged),
        *(api.ListMessages(user="bob@example.com", folder="Inbox", after=one) for one in forged),
    )
    for request in others:
        with pytest.raises(MunimentError, match="not a position in this list"):
            small.send(request)
    (second,) = small.send(api.Search(query="own*", limit=2, after=first.after))
    assert isinstance(second, api.Hits)
    assert second.total == first.total
    assert not {hit.id for hit in first.hits} & {hit.id for hit in second.hits}
