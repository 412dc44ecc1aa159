"""The envelope that a plain message's own headers describe."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.headers.routing import PARTY_LIMIT, read_routing
from muniment.mail.model import AddressRole, EnvelopeParty
from support.corpus import malformed
from support.reports import plain


def test_parties_of_a_plain_message() -> None:
    mail = plain(
        sender="Anna <Anna@Example.com>",
        to=["bob@example.com", '"C, D" <c@example.com>'],
        cc=["d@example.com"],
        bcc=["e@example.com"],
        subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?=",
        message_id="<1@x>",
    )
    envelope = read_routing(mail)
    assert envelope.parties == (
        EnvelopeParty(AddressRole.SENDER, "anna@example.com"),
        EnvelopeParty(AddressRole.TO, "bob@example.com"),
        EnvelopeParty(AddressRole.TO, "c@example.com"),
        EnvelopeParty(AddressRole.CC, "d@example.com"),
        EnvelopeParty(AddressRole.BCC, "e@example.com"),
    )
    assert (envelope.subject, envelope.message_id, envelope.notes) == ("Grüße", "<1@x>", ())


def test_delivery_headers_name_recipients() -> None:
    headers = [
        "Delivered-To: a@x.com",
        "X-Original-To: b@x.com",
        "Envelope-To: c@x.com, d@x.com",
        "X-Delivered-To: e@x.com",
        "X-Envelope-To: <f@x.com>",
        "Received: from h (h [10.0.0.1])\r\n\tby mx.x.com with ESMTPS id 1 for <g@x.com>;\r\n\tTue",
        "Received: by mx.x.com for h@x.com; Tue, 14 Nov 2023 22:13:20 +0000",
        "Received: by mx.x.com; waited for a while",
        "Delivered-To: bob@example.com",
    ]
    recipients = [
        party.address
        for party in read_routing(plain(headers=headers)).parties
        if party.role is AddressRole.RECIPIENT
    ]
    assert recipients == [f"{letter}@x.com" for letter in "aebcdfgh"]


def test_sender_acts_on_behalf_of_from() -> None:
    behalf = read_routing(plain(sender="boss@x.com", headers=["Sender: pa@x.com"], to=[])).parties
    assert behalf == (
        EnvelopeParty(AddressRole.SENDER, "pa@x.com"),
        EnvelopeParty(AddressRole.ON_BEHALF_OF, "boss@x.com"),
    )
    same = read_routing(plain(sender="boss@x.com", headers=["Sender: Boss@X.com"], to=[])).parties
    assert same == (EnvelopeParty(AddressRole.SENDER, "boss@x.com"),)


def test_resent_fields_and_repeats() -> None:
    mail = plain(
        to=["a@x", "A@X"], headers=["Resent-To: b@x", "Resent-Cc: a@x", "Delivered-To: a@x", "To: a@x"]
    )
    assert read_routing(mail).parties[1:] == (
        EnvelopeParty(AddressRole.TO, "a@x"),
        EnvelopeParty(AddressRole.TO, "b@x"),
        EnvelopeParty(AddressRole.CC, "a@x"),
    )


def test_text_that_is_no_address_is_no_party() -> None:
    assert read_routing(plain(sender="Anna", to=["undisclosed-recipients:;", "root", "a b"])).parties == ()


def test_number_of_parties_is_bounded() -> None:
    envelope = read_routing(plain(to=[f"a{n}@x" for n in range(8000)], cc=[f"b{n}@x" for n in range(8000)]))
    assert len(envelope.parties) == PARTY_LIMIT
    assert len(envelope.notes) == 1


@given(
    st.lists(
        st.sampled_from([b"From:", b"To: a@b", b"Received: x for <", b"\r\n", b">", b"\xff"])
        | st.binary(max_size=9)
    )
)
def test_never_raises(pieces: list[bytes]) -> None:
    for party in read_routing(b"".join(pieces)).parties:
        assert party.address
        party.address.encode()


def test_malformed_mail_is_routed() -> None:
    named = sum(bool(read_routing(mail).parties) for _, mail in malformed())
    assert named > 400
