"""Signed notes, checkpoints and keys, as C2SP signed-note, tlog-checkpoint and tlog-cosignature have them."""

from __future__ import annotations

import base64
import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.evidence.checkpoint_body import CheckpointBody, NoteInvalid, read_body
from muniment.evidence.note_keys import (
    KeyKind,
    SigningKey,
    has_ml_dsa,
    new_key,
    read_signing_key,
    read_verifier,
)
from muniment.evidence.signed_note import (
    LARGEST,
    MOST_SIGNATURES,
    parse_note,
    read_signatures,
    signed,
    verified,
)

ORIGIN = "example.com/muniment/4f2a09c1d2e3f405"
BODY = CheckpointBody(ORIGIN, 20_852_163, hashlib.sha256(b"root").digest())
NOW = 1_679_315_147
KINDS = [kind for kind in KeyKind if kind is not KeyKind.ML_DSA_44 or has_ml_dsa()]

# The examples of C2SP signed-note, and of Go's package golang.org/x/mod/sumdb/note.
EXAMPLES = {
    "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k": (
        "This is an example message.\n"
        "\n"
        "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuw"
        "HjG1Yu72IneyaQM=\n"
    ),
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW": (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
        "\n"
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6K"
        "E6RyyBwJnAM=\n"
    ),
}
GO_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"


@pytest.mark.parametrize("key", EXAMPLES)
def test_the_examples_of_others_hold(key: str) -> None:
    verifier = read_verifier(key)
    note = parse_note(EXAMPLES[key].encode())
    assert verified(note, [verifier]) == {verifier: None}
    assert str(note) == EXAMPLES[key]
    assert str(verifier) == key


def test_a_private_key_of_go_makes_the_signature_of_its_example() -> None:
    key = read_signing_key(GO_PRIVATE)
    text = next(text for name, text in EXAMPLES.items() if name.startswith("PeterNeumann"))
    assert str(signed(text.rpartition("\n\n")[0] + "\n", [key])) == text
    assert key.secret_line() == GO_PRIVATE


def test_a_note_in_the_spec_with_empty_lines_is_split_at_the_last_one() -> None:
    text = (
        "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
        "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0x"
        "McXxj99ihAQwaqP3ZekRwNtIc=\n"
    )
    note = parse_note(text.encode())
    assert note.text.count("\n") == 4
    assert [one.name for one in note.signatures] == ["quasimodo.example/salvatore"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_key_signs_and_checks(kind: KeyKind) -> None:
    key = new_key(ORIGIN, kind)
    note = signed(BODY.text, [key], NOW)
    stated = None if kind is KeyKind.ED25519 else NOW
    assert verified(parse_note(str(note).encode()), [key.verifier]) == {key.verifier: stated}
    assert read_verifier(str(key.verifier)) == key.verifier
    assert read_signing_key(key.secret_line()) == key


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("changed", ["origin", "size", "root", "time", "signature"])
def test_a_changed_note_is_refused(kind: KeyKind, changed: str) -> None:
    key = new_key(ORIGIN, kind)
    note = str(signed(BODY.text, [key], NOW))
    line = base64.b64decode(note.split(" ")[-1])
    place = {"time": 11, "signature": -1}.get(changed, 0)
    broken = bytearray(line)
    broken[place] ^= 1
    other = {
        "origin": note.replace(ORIGIN, ORIGIN.replace("example", "exomple"), 1),
        "size": note.replace("20852163", "20852164"),
        "root": note.replace(base64.b64encode(BODY.root).decode(), base64.b64encode(bytes(32)).decode()),
    }.get(changed, note.replace(base64.b64encode(line).decode(), base64.b64encode(broken).decode()))
    assert other != note
    with pytest.raises(NoteInvalid):
        verified(parse_note(other.encode()), [key.verifier])


def test_a_cosignature_signs_what_the_spec_says() -> None:
    key = new_key("witness.example.com/w1", KeyKind.COSIGNATURE)
    line = base64.b64decode(signed(BODY.text, [key], NOW).signatures[0].__str__().split(" ")[-1])
    plain = SigningKey(key.name, KeyKind.ED25519, base64.b64decode(key.secret_line().split("+", 4)[4])[1:])
    message = f"cosignature/v1\ntime {NOW}\n{BODY.text}"
    by_hand = base64.b64decode(plain.sign(message).split(" ")[-1])[4:]
    assert line == key.verifier.id + NOW.to_bytes(8, "big") + by_hand
    public = key.verifier.public
    assert key.verifier.id == hashlib.sha256(b"witness.example.com/w1\n\x04" + public).digest()[:4]


@pytest.mark.skipif(not has_ml_dsa(), reason="the library has no ML-DSA-44")
def test_ml_dsa_44_signs_the_structure_of_the_spec() -> None:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

    key = new_key("witness.example.com/w1", KeyKind.ML_DSA_44)
    signature = signed(BODY.text, [key], NOW).signatures[0].signature
    message = (
        b"subtree/v1\n\0"
        + b"\x16witness.example.com/w1"
        + NOW.to_bytes(8, "big")
        + bytes([len(ORIGIN)])
        + ORIGIN.encode()
        + bytes(8)
        + BODY.size.to_bytes(8, "big")
        + BODY.root
    )
    MLDSA44PublicKey.from_public_bytes(key.verifier.public).verify(signature[8:], message)
    assert signature[:8] == NOW.to_bytes(8, "big")
    assert len(signature) == 2428


def test_signatures_of_unknown_keys_are_ignored_also_with_a_known_name_or_id() -> None:
    log, witness = new_key(ORIGIN, KeyKind.ED25519), new_key("w.example", KeyKind.COSIGNATURE)
    note = signed(BODY.text, [log, witness, new_key(ORIGIN, KeyKind.ED25519)], NOW)
    assert verified(note, [log.verifier]) == {log.verifier: None}
    assert verified(note, [log.verifier, witness.verifier]) == {log.verifier: None, witness.verifier: NOW}
    with pytest.raises(NoteInvalid, match="no known key"):
        verified(note, [new_key(ORIGIN, KeyKind.ED25519).verifier])


def test_one_wrong_signature_of_a_known_key_spoils_the_note() -> None:
    log, witness = new_key(ORIGIN, KeyKind.ED25519), new_key("w.example", KeyKind.COSIGNATURE)
    other = signed(CheckpointBody(ORIGIN, 1, bytes(32)).text, [witness], NOW)
    note = signed(BODY.text, [log]).with_signatures(other.signatures)
    with pytest.raises(NoteInvalid, match=r"w\.example is wrong"):
        verified(note, [log.verifier, witness.verifier])


def test_a_later_cosignature_replaces_the_earlier_one_of_its_key() -> None:
    log, witness = new_key(ORIGIN, KeyKind.ED25519), new_key("w.example", KeyKind.COSIGNATURE)
    note = signed(BODY.text, [log])
    for time in (NOW, NOW + 60):
        note = note.with_signatures(read_signatures(witness.sign(BODY.text, time)))
    assert len(note.signatures) == 2
    assert verified(note, [witness.verifier]) == {witness.verifier: NOW + 60}


HOSTILE_NOTES = {
    "empty": b"",
    "no signature": BODY.text.encode(),
    "no empty line": BODY.text.encode() + "— a YWJjZGVmZw==\n".encode(),
    "no line feed at the end": b"a\n\n\xe2\x80\x94 a YWJjZGVmZw==",
    "carriage returns": b"a\r\n\n\xe2\x80\x94 a YWJjZGVmZw==\n",
    "an escape sequence": b"a\x1b[31m\n\n\xe2\x80\x94 a YWJjZGVmZw==\n",
    "a NUL": b"a\0\n\n\xe2\x80\x94 a YWJjZGVmZw==\n",
    "no UTF-8": b"a\xff\n\n\xe2\x80\x94 a YWJjZGVmZw==\n",
    "a hyphen": b"a\n\n- a YWJjZGVmZw==\n",
    "a plus in the name": b"a\n\n\xe2\x80\x94 a+b YWJjZGVmZw==\n",
    "a space in the name": "a\n\n— a\u2003b YWJjZGVmZw==\n".encode(),
    "no name": b"a\n\n\xe2\x80\x94  YWJjZGVmZw==\n",
    "no base64": b"a\n\n\xe2\x80\x94 a YWJj!GVmZw==\n",
    "spare bits in base64": b"a\n\n\xe2\x80\x94 a YWJjZGVmZx==\n",
    "only an id": b"a\n\n\xe2\x80\x94 a YWJjZA==\n",
    "too many lines": b"a\n\n" + "— a YWJjZGVmZw==\n".encode() * (MOST_SIGNATURES + 1),
    "too large": b"a" * LARGEST + b"\n\n\xe2\x80\x94 a YWJjZGVmZw==\n",
}


@pytest.mark.parametrize("name", HOSTILE_NOTES)
def test_what_is_no_note_is_refused(name: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_note(HOSTILE_NOTES[name])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n",
        "o\n1\n",
        f"o\n1\n{base64.b64encode(bytes(32)).decode()}",
        f"\n1\n{base64.b64encode(bytes(32)).decode()}\n",
        *(
            f"o\n{size}\n{base64.b64encode(bytes(32)).decode()}\n"
            for size in ("", "01", "-1", "+1", "1_0", " 1", "1 ", "١", "9" * 19, "9" * 5000, "0x1", "1.0")
        ),
        *(f"o\n1\n{base64.b64encode(bytes(n)).decode()}\n" for n in (0, 31, 33)),
        f"o\n1\n{base64.b64encode(bytes(32)).decode()}\n\nmore\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalid):
        read_body(text)


def test_a_checkpoint_of_others_may_have_more_lines_and_any_origin() -> None:
    body = CheckpointBody("go.sum database tree", 7, bytes(32), ("more", "and more"))
    assert read_body(body.text) == body


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a+b",
        "a+530d903a+",
        "example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U0=",
        "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "a" * 10_000,
        GO_PRIVATE,
    ],
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalid):
        read_verifier(text)


@pytest.mark.parametrize(
    "text", [GO_PRIVATE[:-4], GO_PRIVATE.replace("c7", "c8"), GO_PRIVATE[12:], "PRIVATE+KEY+"]
)
def test_a_damaged_private_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(NoteInvalid) as caught:
        read_signing_key(text)
    assert "AYEKFALV" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_private_key_never_shows_itself(kind: KeyKind) -> None:
    key = new_key(ORIGIN, kind)
    secret = key.secret_line().split("+")[4]
    seed = base64.b64decode(key.secret_line().split("+", 4)[4])[1:]
    for shown in (repr(key), str(key), f"{key}", repr([key])):
        assert secret[:8] not in shown
        assert repr(seed)[2:12] not in shown


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\x1bb", "a\u202eb", "a" * 256])
def test_a_new_key_needs_a_plain_name(name: str) -> None:
    with pytest.raises(NoteInvalid):
        new_key(name, KeyKind.ED25519)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")) | st.just("\n"), max_size=80)
NAMES = st.text(string.ascii_letters + "./é—", min_size=1, max_size=12)


@given(TEXTS, st.lists(st.tuples(NAMES, st.binary(min_size=5, max_size=80)), min_size=1, max_size=5))
def test_every_note_comes_back_as_it_was(text: str, lines: list[tuple[str, bytes]]) -> None:
    whole = f"{text}\n\n" + "".join(f"— {name} {base64.b64encode(raw).decode()}\n" for name, raw in lines)
    note = parse_note(whole.encode())
    assert str(note) == whole
    assert note.text == f"{text}\n"
    assert [(one.name, one.id + one.signature) for one in note.signatures] == lines


@given(st.binary(max_size=300))
def test_any_bytes_are_a_note_or_refused(data: bytes) -> None:
    try:
        note = parse_note(data)
    except NoteInvalid:
        return
    assert str(note).encode() == data
