"""DKIM and ARC: what dkimpy signs is valid, a change never is, and each other result says why."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.mail.buffer import FileBuffer
from muniment.mail.signatures.body import BodyLimits
from muniment.mail.signatures.judge import best, judge
from muniment.mail.signatures.model import ARC, BROKEN, INTACT, NONE, VALID
from muniment.mail.signatures.read_signatures import MOST, read_signatures
from support.corpus import journal_files, malformed
from support.signing import (
    DOMAIN,
    ED25519,
    RSA,
    Keys,
    arc_verified,
    ed25519_record,
    records,
    results,
    rsa_record,
    sealed,
    signed,
    signed_by_hand,
    verified,
)

MAIL = (
    b"From: Ada <ada@sender.example>\r\nTo: bob@example.com\r\nSubject: The  harbour\r\n"
    b"Date: Tue, 1 Dec 2026 10:00:00 +0000\r\nMessage-ID: <1@sender.example>\r\n\r\n"
    b"Dear Bob,\r\n\r\nthe  harbour \t is open. \r\n\r\nAda\r\n\r\n\r\n"
)
FORMS = ("relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple")
ALGORITHMS = ("rsa-sha256", "ed25519-sha256")
NAME = f"{RSA}._domainkey.{DOMAIN}"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_dkimpy_signs_is_valid(form: str, algorithm: str) -> None:
    (result,) = results(signed(MAIL, algorithm, form))
    assert (result.state, result.reason) == (VALID, "")
    assert (result.domain, result.algorithm) == (DOMAIN, algorithm)
    assert result.selector == (RSA if algorithm.startswith("rsa") else ED25519)
    assert result.signed is not None


BODIES = st.lists(
    st.sampled_from(
        [b"a", b"word", b" ", b"  ", b"\t", b"\r\n", b"\r\n\r\n", b" \r\n", b"\xfc", b".", b"\r", b"\n"]
    ),
    max_size=30,
).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(BODIES, st.sampled_from(FORMS), st.integers(1, 9))
def test_bodies_of_any_white_space_are_read_as_dkimpy_reads_them(text: bytes, form: str, block: int) -> None:
    """Also where white space lies across the pieces in which a body is read."""
    text = re.sub(rb"\r(?!\n)", b"", text)  # dkimpy takes a lone CR for a line end
    text = re.sub(rb"(?<!\r)\n", b"", text)
    if not text.endswith(b"\r\n"):  # it leaves a blank at the end of a line that is not ended
        text += b"\r\n"
    mail = signed(MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + text, "ed25519-sha256", form)
    (result,) = judge(read_signatures(mail, BodyLimits(block=block)).found, Keys())
    assert result.state == VALID


@pytest.mark.parametrize("form", FORMS)
def test_line_ends_and_fields_put_on_top_do_not_matter(form: str) -> None:
    mail = signed(MAIL, form=form)
    on_top = b"Received: by relay; Tue, 1 Dec 2026 10:00:01 +0000\r\nX-MS-Exchange-Organization-SCL: -1\r\n"
    for same in (on_top + mail, mail.replace(b"\r\n", b"\n"), (on_top + mail).replace(b"\r\n", b"\n")):
        assert [result.state for result in results(same)] == [VALID]


def _ignored(before: bytes, after: bytes, relaxed: bool) -> bool:
    """Whether a canonical form says that two bodies are the same: written a second time, line by line."""

    def canonical(text: bytes) -> list[bytes]:
        lines = text.split(b"\r\n")
        if relaxed:
            lines = [re.sub(rb"[ \t]+", b" ", one).rstrip(b" ") for one in lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    return canonical(before) == canonical(after)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(FORMS),
    st.integers(0, 10_000),
    st.integers(0, 255),
    st.sampled_from(["put", "set", "cut"]),
)
def test_no_change_of_the_body_stays_valid(form: str, at: int, byte: int, how: str) -> None:
    """Except what the canonical form ignores."""
    mail = signed(MAIL, "ed25519-sha256", form)
    header, blank, text = mail.partition(b"\r\n\r\n")
    at %= len(text)
    changed = text[:at] + (b"" if how == "cut" else bytes([byte])) + text[at + (how != "put") :]
    (result,) = results(header + blank + changed)
    if _ignored(text, changed, form.endswith("relaxed")):
        assert result.state == VALID
    else:
        assert (result.state, result.reason) == (BROKEN, "its body is not what was signed")


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(FORMS), st.sampled_from(ALGORITHMS), st.integers(0, 10_000), st.binary(max_size=3))
def test_a_changed_header_is_judged_as_dkimpy_judges_it(
    form: str, algorithm: str, at: int, new: bytes
) -> None:
    """We may be stricter, never more lenient."""
    mail = signed(MAIL, algorithm, form)
    at %= mail.index(b"\r\n\r\n")
    changed = mail[:at] + new + mail[at + 1 :]
    if best(results(changed)) == VALID:
        assert (
            verified(changed)
            or changed.partition(b"\r\n\r\n")[0].split() == mail.partition(b"\r\n\r\n")[0].split()
        )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"From: Ada", b"From: Eve"),
        (b"Subject: The", b"Subject: No"),
        (b"<1@sender", b"<2@sender"),
        (b"Tue, 1 Dec", b"Tue, 2 Dec"),
    ],
)
def test_a_changed_field_is_broken(old: bytes, new: bytes) -> None:
    mail = signed(MAIL).replace(old, new)
    assert [(one.state, one.reason) for one in results(mail)] == [
        (BROKEN, "its signed fields are not what was signed")
    ]
    assert not verified(mail)


def test_a_further_field_that_is_not_signed_breaks_it() -> None:
    """A reader may show the upper one, which the signature does not cover."""
    mail = b"Subject: Pay me\r\n" + signed(MAIL)
    assert verified(mail)
    (result,) = results(mail)
    assert (result.state, result.reason) == (
        BROKEN,
        "the message has a further field Subject that is not signed",
    )


def test_a_signature_of_a_part_of_the_body_is_no_more_valid_when_something_follows() -> None:
    mail = signed(MAIL, length=True)
    assert [result.state for result in results(mail)] == [VALID]
    (result,) = results(mail + b"Buy!\r\n")
    assert verified(mail + b"Buy!\r\n")
    assert result.state == BROKEN
    assert re.fullmatch(r"only the first \d+ of \d+ bytes of its body were signed", result.reason)
    (result,) = results(signed(MAIL).replace(b"bh=", b"l=99999; bh="))
    assert result.state == BROKEN


def test_a_signature_whose_time_is_past_is_valid_and_says_until_when() -> None:
    mail = signed_by_hand(MAIL, b"t=1100000000; x=1100000900")
    assert not verified(mail)  # dkimpy compares with the clock
    (result,) = results(mail)
    assert (result.state, result.signed, result.expires) == (VALID, 1100000000, 1100000900)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (None, "the domain has no key of this name"),
        (b"v=DKIM1; k=rsa; p=", "the domain has withdrawn the key"),
        (b"v=DKIM1; p=!!", "the domain's key record is malformed"),
        (b"v=spf1 -all", "the domain's key record is malformed"),
        (b"", "the domain's key record is malformed"),
        (b"v=DKIM1; p=AAAA", "the domain's key can't be read"),
        (b"v=DKIM2; p=AAAA", "the domain's key record is of an unknown version"),
        (ed25519_record(), "the domain's key is of another kind"),
        (rsa_record().replace(b"k=rsa", b"k=rsa; h=sha1"), "the domain's key is for another use"),
        (rsa_record().replace(b"k=rsa", b"k=rsa; s=tlsrpt"), "the domain's key is for another use"),
        (ed25519_record().replace(b"ed25519", b"rsa"), "the domain's key can't be read"),
    ],
    ids=range(11),
)
def test_without_a_usable_key_only_the_body_is_known(record: bytes | None, reason: str) -> None:
    mail, keys = signed(MAIL), Keys({} if record is None else {NAME: record})
    assert [(one.state, one.reason) for one in results(mail, keys)] == [(INTACT, reason)]
    assert keys.asked == [NAME]
    (broken,) = results(mail.replace(b"is open", b"is shut"), keys)
    assert broken.state == BROKEN
    assert keys.asked == [NAME]  # nothing is asked about what is broken anyway


def test_keys_may_say_what_they_are_for() -> None:
    for more in (b"k=rsa; h=sha1:sha256; s=*; t=y; n=note", b"k=rsa; s=email", b""):
        record = (
            rsa_record().replace(b"k=rsa", more)
            if more
            else rsa_record().partition(b"p=")[1] + rsa_record().partition(b"p=")[2]
        )
        assert [one.state for one in results(signed(MAIL), Keys({NAME: record}))] == [VALID]


def test_another_key_breaks_it() -> None:
    (result,) = results(signed(MAIL), Keys({NAME: rsa_record(1024)}))
    assert result.state == BROKEN


def test_a_key_that_is_only_for_its_own_domain_is_not_for_those_below() -> None:
    mail = signed(MAIL, identity=b"@mail.sender.example")
    assert [one.state for one in results(mail)] == [VALID]
    strict = Keys({NAME: rsa_record().replace(b"k=rsa", b"k=rsa; t=s")})
    assert [one.state for one in results(mail, strict)] == [INTACT]
    assert [one.state for one in results(signed(MAIL), strict)] == [VALID]


@pytest.mark.parametrize(
    ("old", "new", "state"),
    [
        (b"a=rsa-sha256", b"a=rsa-sha1", NONE),
        (b"v=1", b"v=2", NONE),
        (b"c=relaxed/relaxed", b"c=strict/relaxed", NONE),
        (b"d=sender.example", b"d=-._;", BROKEN),
        (b"d=sender.example", b"d=a\x1b[31m.example", BROKEN),
        (b"d=sender.example", b"x=sender.example", BROKEN),
        (b"bh=", b"bh=!", BROKEN),
        (b"s=rsa1", b"s=rsa1; s=rsa1", BROKEN),
        (b"t=", b"t=x", BROKEN),
        (b"h=from", b"h=to", BROKEN),
        (b"i=@sender.example", b"i=@else.example", BROKEN),
    ],
)
def test_a_malformed_signature_is_no_evidence(old: bytes, new: bytes, state: str) -> None:
    mail = signed(MAIL, identity=b"@sender.example")
    assert old in mail
    keys = Keys()
    (result,) = results(mail.replace(old, new, 1), keys)
    assert result.state == state
    assert result.reason
    assert not keys.asked
    assert "\x1b" not in result.domain + result.selector + result.reason


def test_each_signature_has_its_result() -> None:
    mail = signed(signed(MAIL), "ed25519-sha256")
    other = mail.replace(b"s=rsa1", b"s=gone")
    assert [one.state for one in results(mail)] == [VALID, VALID]
    assert [one.state for one in results(other)] == [VALID, INTACT]
    assert best(results(other)) == VALID
    assert best(results(MAIL)) == NONE
    assert not results(MAIL)


# --- ARC ----------------------------------------------------------------------------------------


def test_a_chain_of_arc_is_valid() -> None:
    for mail in (once := sealed(signed(MAIL)), twice := sealed(once)):
        assert arc_verified(mail)
        found = {one.kind: one for one in results(mail)}
        assert found[ARC].state == VALID
        assert found[ARC].domain == "relay.example"
        assert found[ARC].instance == (1 if mail == once else 2)
    assert twice.count(b"ARC-Seal:") == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"is open", b"is shut"),
        (b"Subject: The", b"Subject: No"),
        (b"dkim=pass", b"dkim=fail"),
        (b"cv=none", b"cv=fail"),
        (b"cv=pass", b"cv=none"),
        (b"ARC-Authentication-Results: i=1", b"X-Was: i=1"),
        (b"ARC-Seal: i=1", b"ARC-Seal: i=3"),
    ],
)
def test_a_broken_chain_of_arc_is_broken(old: bytes, new: bytes) -> None:
    mail = sealed(sealed(MAIL))
    assert old in mail
    changed = mail.replace(old, new)
    assert not arc_verified(changed)
    (result,) = [one for one in results(changed) if one.kind == ARC]
    assert result.state == BROKEN


def test_a_chain_whose_key_is_gone_is_intact() -> None:
    keys = Keys({name: text for name, text in records().items() if "relay" not in name})
    assert [one.state for one in results(sealed(signed(MAIL)), keys)] == [VALID, INTACT]


# --- hostile mail ---------------------------------------------------------------------------------


HOSTILE = [
    b"DKIM-Signature: " + b"v=1; " * 100_000 + b"\r\nFrom: a@b\r\n\r\nx",
    b"DKIM-Signature: " + b" " * 900_000 + b"\r\nFrom: a@b\r\n\r\nx",
    b"DKIM-Signature: v=1; b=" + b"A" * 900_000 + b"\r\nFrom: a@b\r\n\r\nx",
    b"DKIM-Signature: v=1\r\n" * 40_000 + b"From: a@b\r\n\r\nx",
    b"ARC-Seal: i=1\r\n" * 40_000 + b"From: a@b\r\n\r\nx",
    b"ARC-Seal:" + b" i" * 400_000 + b"\r\nFrom: a@b\r\n\r\nx",
    b"ARC-Message-Signature: i=\xff\r\n\r\n",
    b"\r\n\r\n" * 1000,
    b"DKIM-Signature",
    b"DKIM-Signature: v=1\rFrom: a@b\r\rx",
    b"",
]


@pytest.mark.parametrize("mail", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_headers_cost_little_and_are_never_valid(mail: bytes) -> None:
    before = time.process_time()
    found = read_signatures(mail).found
    assert time.process_time() - before < 2
    assert len(found) <= 2 * MOST + 1
    assert best(judge(found, Keys())) in (BROKEN, NONE)


def test_very_many_names_to_sign_cost_little() -> None:
    mail = signed(MAIL).replace(b"h=from", b"h=" + b":".join([b"x"] * 200_000) + b":from", 1)
    before = time.process_time()
    assert best(results(b"X: y\r\n" * 20_000 + mail)) == BROKEN
    assert time.process_time() - before < 2


def test_a_body_of_blanks_is_read_in_bounded_memory() -> None:
    mail = signed(MAIL, form="relaxed/simple") + b"\r\n" * 2_000_000
    (result,) = judge(read_signatures(mail, BodyLimits(blank=100_000)).found, Keys())
    assert (result.state, result.reason) == (NONE, "its body is too large to be compared")


def test_a_message_in_a_file_is_read_alike(tmp_path_factory: pytest.TempPathFactory) -> None:
    mail = signed(MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + b"a line of many  \r\n" * 200_000)
    path = tmp_path_factory.mktemp("mail") / "large.eml"
    path.write_bytes(mail)
    with path.open("rb") as file, FileBuffer(file.fileno()) as buffer:
        found = read_signatures(buffer).found
    assert [one.state for one in judge(found, Keys())] == [VALID]
    assert found == read_signatures(mail).found


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from([b"DKIM-Signature: ", b"ARC-Seal: ", b"ARC-Message-Signature: i=1;"]),
)
def test_no_bytes_raise(data: bytes, field: bytes) -> None:
    for mail in (data, field + data, field + data + b"\r\n" + MAIL):
        assert best(judge(read_signatures(mail).found, Keys())) != VALID


def test_malformed_mail_of_others_raises_nothing() -> None:
    for _, raw in malformed():
        judge(read_signatures(raw).found, Keys({}))


def test_the_body_of_a_journaled_original_is_as_it_was_signed() -> None:
    """In the report of an on-premises Exchange; those of Exchange Online were changed by their authors."""
    (raw,) = [raw for name, raw in journal_files() if name.startswith("linux-block")]
    inner = raw.partition(b"message/rfc822")[2].partition(b"\r\n\r\n")[2]
    end = inner.rindex(b"\r\n--", 0, len(inner.rstrip()) - 4)
    assert INTACT in {one.state for one in judge(read_signatures(inner[:end]).found, Keys({}))}
