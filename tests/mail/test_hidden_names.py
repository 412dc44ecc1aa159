"""Whether a message can be given as it was archived, without a name that its readers must not see."""

from __future__ import annotations

import pytest

from muniment.mail.content.hidden_names import hides_others
from muniment.mail.content.public import public_pieces
from support.reports import plain

OWN = frozenset({"anna@example.com", "a.berg@example.com"})
FOR_ANNA = "Received: from a by b for <anna@example.com>; Tue, 1 Mar 2022 10:00:00 +0000"
FOR_EVE = FOR_ANNA.replace("anna", "eve")


@pytest.mark.parametrize(
    ("headers", "hides"),
    [
        ([], False),
        (["Bcc: anna@example.com"], False),
        (["Bcc: a.berg@example.com, ANNA@example.com"], False),
        ([FOR_ANNA], False),
        (["Delivered-To: bob@example.com"], False),  # the message itself names him
        (["Return-Path: <carl@example.com>"], False),
        (["X-Spam-Score: 3", "X-Received: by 10.0.0.1"], False),
        (["DKIM-Signature: v=1; d=example.com; i=@example.com"], False),
        (["Bcc: eve@example.com"], True),
        (["Bcc: anna@example.com, eve@example.com"], True),
        (["Bcc: anna@example.com,", " eve@example.com"], True),
        (["Bcc: Eve"], True),
        (["BCC: =?utf-8?q?eve=40example=2Ecom?="], True),
        (["Resent-Bcc: eve@example.com"], True),
        (["Delivered-To: eve@example.com"], True),
        (["Delivered-To: eve"], True),
        (["X-Original-To: eve@example.com"], True),
        ([FOR_EVE], True),
        (["X-MS-Exchange-Organization-Recipients: eve@example.com"], True),
        (["Return-Path: <bounce+eve=example.com@list.example.org>"], True),
        (["X-Anything: for eve@example.com"], True),
        (["Bcc : eve@example.com"], True),
    ],
)
def test_what_the_public_form_leaves_out_may_name_others(headers: list[str], hides: bool) -> None:
    mail = plain(sender="carl@example.com", to=["anna@example.com", "bob@example.com"], headers=headers)
    assert hides_others(mail, OWN) is hides
    if not hides:
        return
    assert b"eve" not in b"".join(public_pieces(mail, 1024)).lower()


def test_a_header_that_is_too_long_hides_others() -> None:
    many = [f"X-Filler-{number}: {'x' * 900}" for number in range(1_300)]
    assert hides_others(plain(headers=many), OWN)
