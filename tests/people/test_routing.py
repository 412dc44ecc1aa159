"""Routing: the folders that envelopes put a message in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.archive.facts import RoutingReason
from muniment.mail.model import AddressRole, EnvelopeParty
from muniment.people.changes import add_address, add_user, set_domains
from muniment.people.directory import Directory
from muniment.people.routing import (
    CATCH_ALL_INBOX,
    OWNED,
    TRUSTED,
    Placement,
    RoutedEnvelope,
    names_user,
    route_envelope,
    route_message,
    unite,
)


def people() -> Directory:
    made = Directory()
    made.apply(set_domains(["firm.example"]), 0)
    made.apply(add_user("alice", "Alice", "alice@firm.example"), 0)
    made.apply(add_user("bob", "Bob", "bob@firm.example"), 0)
    return made


PEOPLE = people()


def envelope(
    *parties: tuple[AddressRole, str], route: RoutingReason = RoutingReason.JOURNAL, time: int = 5
) -> RoutedEnvelope:
    return RoutedEnvelope(
        route, time, tuple(EnvelopeParty(role, f"{name}@firm.example") for role, name in parties)
    )


def owned(owner: str, folder: str, *parties: tuple[AddressRole, str]) -> RoutedEnvelope:
    return envelope(*parties, route=RoutingReason.OWNER)._replace(owner=owner, owner_folder=folder)


def test_the_bits_of_routes_are_those_of_the_ledger() -> None:
    assert RoutingReason(TRUSTED) == RoutingReason.JOURNAL | RoutingReason.HEADERS
    assert RoutingReason(OWNED) is RoutingReason.OWNER


def test_senders_get_it_in_sent_and_recipients_in_inbox() -> None:
    found = route_message(
        [
            envelope(
                (AddressRole.SENDER, "alice"),
                (AddressRole.ON_BEHALF_OF, "bob"),
                (AddressRole.BCC, "bob"),
                (AddressRole.TO, "new"),
            )
        ],
        PEOPLE,
    )
    assert found == {
        Placement("alice", "Sent"),
        Placement("bob", "Sent"),
        Placement("bob", "Inbox"),
        Placement("auto:new@firm.example", "Inbox"),
    }


@pytest.mark.parametrize("role", [AddressRole.TO, AddressRole.CC, AddressRole.BCC, AddressRole.RECIPIENT])
def test_every_kind_of_recipient_gets_it_in_inbox(role: AddressRole) -> None:
    assert route_message([envelope((role, "alice"))], PEOPLE) == {Placement("alice", "Inbox")}


@pytest.mark.parametrize("role", [AddressRole.EXPANDED, AddressRole.FORWARDED])
def test_lists_and_forwarders_are_never_routed(role: AddressRole) -> None:
    assert route_message([envelope((role, "alice"))], PEOPLE) == {CATCH_ALL_INBOX}


def test_an_envelope_that_is_not_trusted_leads_only_to_the_catch_all() -> None:
    forged = envelope((AddressRole.SENDER, "alice"), route=RoutingReason.CATCH_ALL)
    assert route_message([forged], PEOPLE) == {CATCH_ALL_INBOX}
    assert route_message([forged, envelope((AddressRole.TO, "bob"))], PEOPLE) == {Placement("bob", "Inbox")}
    assert not names_user(forged, PEOPLE)


def test_mail_of_no_known_person_is_in_the_catch_all() -> None:
    stranger = RoutedEnvelope(RoutingReason.HEADERS, 1, (EnvelopeParty(AddressRole.TO, "x@else.example"),))
    assert route_message([stranger], PEOPLE) == route_message([], PEOPLE) == {CATCH_ALL_INBOX}
    assert not names_user(stranger, PEOPLE)
    assert names_user(envelope((AddressRole.TO, "bob")), PEOPLE)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("", "Inbox"),
        ("INBOX", "Inbox"),
        ("Sent Items", "Sent"),
        ("sent", "Sent"),
        ("Projekte/Ü", "Projekte/Ü"),
    ],
)
def test_mail_of_an_ordinary_mailbox_is_its_owners_regardless_of_the_headers(folder: str, name: str) -> None:
    found = route_message([owned("bob@firm.example", folder, (AddressRole.SENDER, "alice"))], PEOPLE)
    assert found == {Placement("bob", name)}


def test_an_owner_who_is_not_a_user_leads_to_the_catch_all() -> None:
    assert route_message([owned("x@else.example", "INBOX", (AddressRole.TO, "alice"))], PEOPLE) == {
        CATCH_ALL_INBOX
    }


def test_a_transfer_is_decided_by_the_envelopes_time() -> None:
    made = people()
    made.apply(add_address("bob", "alice@firm.example"), 1000)
    old, new = (envelope((AddressRole.TO, "alice"), time=t) for t in (999, 1000))
    assert route_message([old], made) == {Placement("alice", "Inbox")}
    assert route_message([new], made) == {Placement("bob", "Inbox")}
    assert route_message([old, new], made) == {Placement("alice", "Inbox"), Placement("bob", "Inbox")}


ENVELOPES = st.lists(
    st.builds(
        RoutedEnvelope,
        st.integers(0, 15),
        st.integers(0, 9),
        st.lists(
            st.builds(
                EnvelopeParty,
                st.sampled_from(AddressRole),
                st.sampled_from(["alice@firm.example", "x@firm.example", "y@z.example"]),
            ),
            max_size=3,
        ).map(tuple),
        st.sampled_from(["", "bob@firm.example", "q@z.example"]),
        st.sampled_from(["", "Sent", "Old"]),
    ),
    max_size=5,
)


@given(ENVELOPES, ENVELOPES)
def test_places_can_be_united_in_any_order(first: list[RoutedEnvelope], second: list[RoutedEnvelope]) -> None:
    everything = route_message([*first, *second], PEOPLE)
    assert everything == route_message([*second, *first], PEOPLE)
    assert everything == unite(route_message(first, PEOPLE), (route_envelope(e, PEOPLE) for e in second))
    assert (CATCH_ALL_INBOX in everything) == (not any(names_user(e, PEOPLE) for e in [*first, *second]))
