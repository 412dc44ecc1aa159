"""A trained dictionary holds only strings that several mails share, however mail is made."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.archive.ledger import recipe
from muniment.archive.ledger.codec import (
    PayloadDecoder,
    RecordEncoder,
    dictionary_content,
    is_filtered,
    purpose,
    train,
)
from muniment.archive.ledger.local_segments import LocalSegments
from muniment.archive.ledger.model import Frame, LedgerRecord, PayloadCodec, RecordKind
from muniment.archive.ledger.recipe import ContentSlice, LiteralBytes, Piece
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.shared_strings import BREAK, MAILS, WINDOW, SharedStrings
from muniment.archive.ledger.training import SIZES, train_dictionaries
from muniment.archive.ledger.writer import Ledger
from support.corpus import real
from support.ledgers import Writing, sha256

SECRET = b"the account 4711-0815-2342 has the pass phrase correct horse battery"
TOPICS = [random.Random(n).randbytes(30).hex().encode() for n in range(40)]


def letter(number: int, secret: bytes = b"") -> bytes:
    """A mail of its own, with sentences that others have as well."""
    chosen = random.Random(number)
    own = chosen.randbytes(60).hex().encode()
    body = b"\r\n".join([*chosen.sample(TOPICS, 12), own, secret])
    return (
        b"From: writer%d@example.com\r\nMessage-ID: <%d@example.com>\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0\r\n\r\n%s\r\n" % (number, number, body)
    )


def frames(folder: Path, records: Iterable[LedgerRecord]) -> list[Frame]:
    """The frames of a ledger with these records."""
    writing = Writing(Ledger.create(LocalSegments(folder)))
    for record in records:
        writing.append(record)
    writing.commit()
    writing.ledger.close()
    return list(scan(LocalSegments(folder)))


def messages(mails: Iterable[bytes]) -> list[LedgerRecord]:
    return [RecordEncoder().encode(RecordKind.MESSAGE, mail) for mail in mails]


def trained(folder: Path, records: Iterable[LedgerRecord]) -> dict[RecordKind, bytes]:
    made = train_dictionaries(frames(folder, records), PayloadDecoder())
    return {purpose(dictionary): dictionary for dictionary in made}


def holders(strings: set[bytes], mails: Iterable[bytes], size: int) -> Counter[bytes]:
    """In how many mails each of the strings is, which are all of one size."""
    found: Counter[bytes] = Counter()
    for mail in mails:
        found.update(strings & {mail[at : at + size] for at in range(len(mail) - size + 1)})
    return found


def unshared(content: bytes, mails: Sequence[bytes], size: int) -> set[bytes]:
    """The strings of one size in a dictionary's content that fewer than MAILS mails have."""
    strings = {piece[at : at + size] for piece in content.split(BREAK) for at in range(len(piece) - size + 1)}
    found = holders(strings, mails, size)
    return {one for one in strings if found[one] < MAILS}


def leak(content: bytes, mails: Sequence[bytes], size: int = 12) -> float:
    """The share of strings in a dictionary's content that one mail alone has."""
    strings = [content[at : at + size] for at in range(len(content) - size + 1)]
    found = holders(set(strings), mails, size)
    return sum(found[one] == 1 for one in strings) / len(strings)


WORDS = st.sampled_from(
    [b"a", b"ab", b"\0", b"invoice ", b"of the harbour ", b"\xff\xfe", b"0123456789abcdef"]
)
MAIL = st.one_of(st.binary(max_size=80), st.lists(WORDS, max_size=40).map(b"".join))


@given(st.lists(MAIL, max_size=8), st.lists(MAIL, max_size=3))
def test_only_what_several_mails_share_is_left(mails: list[bytes], more: list[bytes]) -> None:
    shared = SharedStrings(mails)
    for data in (*mails, *more, b"".join(mails), b""):
        kept = shared.only(data)
        for size in (1, 7, 8, 12, WINDOW):
            assert not unshared(kept, mails, size)
        for at in range(len(data) - WINDOW + 1):
            window = data[at : at + WINDOW]
            if sum(window in mail for mail in mails) >= MAILS:
                assert window in kept


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(60, 100), st.integers(0, MAILS - 1))
def test_a_dictionary_holds_nothing_of_fewer_mails(seed: int, size: int, secrets: int) -> None:
    """Also where training joins two strings that were apart."""
    mails = [letter(seed + n, SECRET if n < secrets else b"") for n in range(size)]
    shared = SharedStrings(mails)
    dictionary = train([shared.only(mail) for mail in mails], 4096, keep=shared.only)
    content = dictionary_content(dictionary)
    assert len(content) > 1024
    for length in (8, 12, WINDOW):
        assert not unshared(content, mails, length)
    assert SECRET[8:20] not in dictionary


def test_a_secret_that_one_mail_repeats_is_left_out(tmp_path: Path) -> None:
    mails = [letter(n) for n in range(200)]
    mails[7] = letter(7, b" ".join([SECRET] * 100))
    found = trained(tmp_path, messages(mails))[RecordKind.MESSAGE]
    assert is_filtered(found)
    assert SECRET[:12] not in found
    assert SECRET[:12] in train(mails, SIZES[RecordKind.MESSAGE])  # without the filter it is there


@pytest.mark.slow
def test_copies_of_one_mail_count_once(tmp_path: Path) -> None:
    """By Message-ID, and without one by the text after the header."""
    secret = letter(7, SECRET)
    nameless = b"Subject: hello\r\n\r\n" + random.Random(1).randbytes(80).hex().encode() + SECRET[::-1]
    copies = [b"Received: by relay%d\r\n%s" % (n, mail) for n in range(50) for mail in (secret, nameless)]
    copies += [secret.replace(b"\r\n\r\n", b"\r\n\r\nScanned by %d.\r\n" % n) for n in range(50)]
    found = trained(tmp_path, messages([*copies, *map(letter, range(100, 300))]))[RecordKind.MESSAGE]
    assert SECRET[:12] not in found
    assert SECRET[::-1][:12] not in found


def test_what_three_mails_share_may_be_held(tmp_path: Path) -> None:
    mails = [
        letter(n, b"Sent from the office of the harbour master" if n % 4 == 0 else b"") for n in range(200)
    ]
    assert (
        b"Sent from the office of the harbour master"
        in trained(tmp_path, messages(mails))[RecordKind.MESSAGE]
    )


@pytest.mark.slow
def test_the_envelopes_of_one_message_count_once(tmp_path: Path) -> None:
    """Journal reports of one message have ids of their own, and refer to it."""
    message = letter(1)
    encoder = RecordEncoder()
    records = messages([message, *map(letter, range(2, 200))])

    def envelope(number: int, of: bytes, text: bytes) -> LedgerRecord:
        head = b"Message-ID: <report-%d>\r\n\r\nSender: someone%d@example.com\r\n%s\r\n" % (
            number,
            number,
            text,
        )
        pieces: list[Piece] = [LiteralBytes(head), ContentSlice(sha256(of), 0, len(of))]
        whole = head + of
        return encoder.encode_recipe(RecordKind.ENVELOPE, recipe.encode(pieces), sha256(whole), len(whole))

    usual = b"\r\n".join(TOPICS[:20])
    records += [envelope(n, message, usual + b"\r\nRecipient: " + SECRET) for n in range(40)]
    records += [envelope(n, letter(n), usual) for n in range(40, 180)]
    found = trained(tmp_path, records)[RecordKind.ENVELOPE]
    assert TOPICS[3][:WINDOW] in found
    assert SECRET[:12] not in found


def test_what_cannot_be_read_is_no_sample(tmp_path: Path) -> None:
    """Such as a record that was erased."""
    erased = [LedgerRecord(RecordKind.MESSAGE, bytes([n]) * 32, 100, 0x40, bytes(100)) for n in range(10)]
    broken = LedgerRecord(RecordKind.ENVELOPE, bytes(32), 9, PayloadCodec.RECIPE, b"no recipe")
    found = trained(tmp_path, [*erased, broken, *messages(map(letter, range(200)))])
    assert set(found) == {RecordKind.MESSAGE}


def test_mail_that_shares_nothing_gets_no_dictionary(tmp_path: Path) -> None:
    strangers = [random.Random(n).randbytes(900).hex().encode() for n in range(100)]
    assert not trained(tmp_path, messages(strangers))


def test_a_filtered_dictionary_displaces_older_ones() -> None:
    """Also those for kinds that it is not for, since theirs may hold strings of one mail."""
    mails = [letter(n) for n in range(200)]
    shared = SharedStrings(mails)
    older = {1: train(mails, 4096), 2: train(mails, 4096, RecordKind.ENVELOPE)}
    newer = train([shared.only(mail) for mail in mails], 4096, keep=shared.only)
    assert [is_filtered(one) for one in (*older.values(), newer)] == [False, False, True]
    encoder = RecordEncoder({**older, 3: newer})
    for kind in (RecordKind.MESSAGE, RecordKind.ENVELOPE):
        record = encoder.encode(kind, letter(1000))
        assert record.dictionary == 3
        assert PayloadDecoder({3: newer}).payload(record) == letter(1000)


@pytest.mark.slow
def test_real_mail_shrinks_almost_as_much() -> None:
    """The figures of docs/decisions/09-compression.md, on fewer mails."""
    mails = [raw[:16384] for _, raw in islice(real(), 600)]
    samples, others = mails[::2], mails[1::2]
    shared = SharedStrings(samples)
    filtered = train([shared.only(one) for one in samples], 64 * 1024, keep=shared.only)
    whole = train(samples, 64 * 1024)
    assert leak(dictionary_content(whole), samples) > 0.2
    assert leak(dictionary_content(filtered), samples) == 0
    assert _compressed(others, filtered) < 1.12 * _compressed(others, whole) < 0.9 * _compressed(others, b"")


def _compressed(mails: Iterable[bytes], dictionary: bytes) -> int:
    data = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
    compressor = zstandard.ZstdCompressor(level=3, dict_data=data)
    return sum(len(compressor.compress(mail)) for mail in mails)
