"""The recipients for which the gateway accepts mail, and the people whom they name.

A copy that a mail server makes does not name Bcc people and members of lists, but its SMTP envelope can. A
recipient of such a copy is one of

- a journal address itself, which names no person;
- one with an extension that spells a person: `journal+bob=contoso.com@archive.example` is bob@contoso.com;
- the postmaster (RFC 5321 4.5.1);
- a person's own address, if the gateway is set to accept copies with their original envelope.

If a mail server can write the envelope only into the header, the fields that the settings name serve instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

POSTMASTER = "postmaster"
LONGEST = 320
"""Characters of an address: a local part of 64, and a domain of 255."""
_OPTIONS = re.compile(r'((?:TO|FROM):\s*<(?:"(?:[^"\\]|\\.)*"|[^<>"])*>)((?:\s+\S+)*)\s*\Z', re.IGNORECASE)
"""The path of MAIL and RCPT, and the parameters behind it."""


@dataclass(frozen=True, slots=True)
class AcceptedRecipient:
    """A recipient for which mail is accepted."""

    address: str
    """As the client wrote it."""
    person: str = ""
    """The address of the person whom it names; "" for none."""
    original: str = ""
    """Its ORCPT parameter (RFC 3461): `address-type;address`, still encoded; "" for none."""


class AcceptedMailboxes:
    """The addresses for which mail is accepted, compared without regard to case.

    Args:
        addresses: the journal addresses.
        hostname: the gateway's own name, whose postmaster is accepted.
        any_recipient: accept any other address, too, as that of a person.
    """

    def __init__(self, addresses: Iterable[str], hostname: str, any_recipient: bool) -> None:
        self._addresses = frozenset(address.casefold() for address in addresses)
        domains = (address.rpartition("@")[2] for address in self._addresses)
        self._domains = frozenset((*domains, hostname.casefold()))
        self._any = any_recipient

    def recipient(self, address: str) -> AcceptedRecipient | None:
        """The recipient that an address means here; None if no mail is accepted for it."""
        local, at, domain = address.rpartition("@")
        if len(address) > LONGEST:
            return None
        if not at:
            return AcceptedRecipient(address) if domain.casefold() == POSTMASTER else None
        if address.casefold() in self._addresses:
            return AcceptedRecipient(address)
        for plus in (n for n, character in enumerate(local) if character == "+"):
            if f"{local[:plus]}@{domain}".casefold() in self._addresses:
                return AcceptedRecipient(address, _spelled(local[plus + 1 :]))
        own = domain.casefold() in self._domains
        if local and domain and (self._any or (own and local.casefold() == POSTMASTER)):
            return AcceptedRecipient(address, address)
        return None


def _spelled(extension: str) -> str:
    """The address that an extension spells with = for @; "" if it spells none."""
    local, equals, domain = extension.rpartition("=")
    return f"{local}@{domain}" if equals and local and domain else ""


def without_options(arg: str, names: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Split the argument of MAIL or RCPT.

    Returns:
        The argument without the parameters of these names, and these parameters by name. Their values keep
        their case, which the library's own parser does not preserve.
    """
    found = _OPTIONS.match(arg)
    if found is None:
        return arg, {}
    wanted = frozenset(names)
    left, taken = [found[1]], {}
    for word in found[2].split():
        name, equals, value = word.partition("=")
        if name.upper() in wanted and equals and value:
            taken[name.upper()] = value
        else:
            left.append(word)
    return " ".join(left), taken


def facts(
    sender: str, recipients: Iterable[AcceptedRecipient], headers: Iterable[str] = ()
) -> dict[str, Any]:
    """An SMTP envelope in the form in which it is kept beside its message. Absent facts are left out.

    Args:
        sender: the address of MAIL FROM; "<>" for the empty one.
        recipients: the recipients of the message.
        headers: the header fields in which this client may name further people.
    """
    taken = list(recipients)
    originals = {_text(one.address): _text(one.original) for one in taken if one.original}
    people = list(dict.fromkeys(_text(one.person) for one in taken if one.person))
    value: dict[str, Any] = {
        "from": "" if sender == "<>" else _text(sender),
        "to": [_text(one.address) for one in taken],
    }
    if originals:
        value["original"] = originals
    if people:
        value["people"] = people
    if fields := list(headers):
        value["headers"] = fields
    return value


def _text(value: str) -> str:
    """A client's text as Unicode: a byte that is no UTF-8 becomes a replacement character."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
