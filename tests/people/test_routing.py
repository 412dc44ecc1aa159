"""Where envelopes put a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.archive.facts import Route
from muniment.mail.model import Party, Role
from muniment.people.changes import add_address, add_user, set_domains
from muniment.people.directory import Directory
from muniment.people.routing import (
    NOBODYS,
    OWNED,
    TRUSTED,
    Placement,
    RoutedEnvelope,
    known,
    place,
    places,
    united,
)


def people() -> Directory:
    made = Directory()
    made.apply(set_domains(["firm.example"]), 0)
    made.apply(add_user("alice", "Alice", "alice@firm.example"), 0)
    made.apply(add_user("bob", "Bob", "bob@firm.example"), 0)
    return made


PEOPLE = people()


def envelope(*parties: tuple[Role, str], route: Route = Route.JOURNAL, time: int = 5) -> RoutedEnvelope:
    return RoutedEnvelope(route, time, tuple(Party(role, f"{name}@firm.example") for role, name in parties))


def owned(owner: str, folder: str, *parties: tuple[Role, str]) -> RoutedEnvelope:
    return envelope(*parties, route=Route.OWNER)._replace(owner=owner, owner_folder=folder)


def test_the_bits_are_those_of_the_ledger() -> None:
    assert Route(TRUSTED) == Route.JOURNAL | Route.HEADERS
    assert Route(OWNED) is Route.OWNER


def test_sent_for_senders_inbox_for_recipients_both_for_who_is_both() -> None:
    found = place(
        [envelope((Role.SENDER, "alice"), (Role.ON_BEHALF_OF, "bob"), (Role.BCC, "bob"), (Role.TO, "new"))],
        PEOPLE,
    )
    assert found == {
        Placement("alice", "Sent"),
        Placement("bob", "Sent"),
        Placement("bob", "Inbox"),
        Placement("auto:new@firm.example", "Inbox"),
    }


@pytest.mark.parametrize("role", [Role.TO, Role.CC, Role.BCC, Role.RECIPIENT])
def test_every_kind_of_recipient(role: Role) -> None:
    assert place([envelope((role, "alice"))], PEOPLE) == {Placement("alice", "Inbox")}


@pytest.mark.parametrize("role", [Role.EXPANDED, Role.FORWARDED])
def test_lists_and_forwarders_are_never_routed(role: Role) -> None:
    assert place([envelope((role, "alice"))], PEOPLE) == {NOBODYS}


def test_what_is_not_trusted_goes_to_the_catch_all_alone() -> None:
    forged = envelope((Role.SENDER, "alice"), route=Route.CATCH_ALL)
    assert place([forged], PEOPLE) == {NOBODYS}
    assert place([forged, envelope((Role.TO, "bob"))], PEOPLE) == {Placement("bob", "Inbox")}
    assert not known(forged, PEOPLE)


def test_nobodys_mail_is_in_the_catch_all() -> None:
    stranger = RoutedEnvelope(Route.HEADERS, 1, (Party(Role.TO, "x@else.example"),))
    assert place([stranger], PEOPLE) == place([], PEOPLE) == {NOBODYS}
    assert not known(stranger, PEOPLE)
    assert known(envelope((Role.TO, "bob")), PEOPLE)


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
def test_an_ordinary_mailbox_is_its_owners_whatever_the_headers_claim(folder: str, name: str) -> None:
    found = place([owned("bob@firm.example", folder, (Role.SENDER, "alice"))], PEOPLE)
    assert found == {Placement("bob", name)}


def test_an_owner_who_is_nobody() -> None:
    assert place([owned("x@else.example", "INBOX", (Role.TO, "alice"))], PEOPLE) == {NOBODYS}


def test_a_transfer_is_decided_by_the_envelopes_time() -> None:
    made = people()
    made.apply(add_address("bob", "alice@firm.example"), 1000)
    old, new = (envelope((Role.TO, "alice"), time=t) for t in (999, 1000))
    assert place([old], made) == {Placement("alice", "Inbox")}
    assert place([new], made) == {Placement("bob", "Inbox")}
    assert place([old, new], made) == {Placement("alice", "Inbox"), Placement("bob", "Inbox")}


ENVELOPES = st.lists(
    st.builds(
        RoutedEnvelope,
        st.integers(0, 15),
        st.integers(0, 9),
        st.lists(
            st.builds(
                Party,
                st.sampled_from(Role),
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
    everything = place([*first, *second], PEOPLE)
    assert everything == place([*second, *first], PEOPLE)
    assert everything == united(place(first, PEOPLE), (places(e, PEOPLE) for e in second))
    assert (NOBODYS in everything) == (not any(known(e, PEOPLE) for e in [*first, *second]))
