"""Which recipients the gateway takes mail for, and which people they name.

A copy that a mail server makes says nothing of Bcc people and members of lists, but its SMTP envelope can. A
recipient of such a copy is one of

- a journal address itself, which names no person;
- one with an extension that spells a person: `journal+bob=contoso.com@archive.example` is bob@contoso.com;
- the postmaster (RFC 5321 4.5.1);
- a person's own address, where the gateway is set to take copies with their original envelope.

Where a mail server can only write the envelope into the header, fields that the settings name do the same.
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
class Recipient:
    """One recipient that mail is taken for."""

    address: str
    """As the client wrote it."""
    person: str = ""
    """The address of the person whom it names; "" for no one."""
    original: str = ""
    """Its ORCPT parameter (RFC 3461): `address-type;address`, still encoded."""


class Mailboxes:
    """The addresses that mail is taken for; compared without regard to case."""

    def __init__(self, addresses: Iterable[str], hostname: str, any_recipient: bool) -> None:
        self._addresses = frozenset(address.casefold() for address in addresses)
        domains = (address.rpartition("@")[2] for address in self._addresses)
        self._domains = frozenset((*domains, hostname.casefold()))
        self._any = any_recipient

    def recipient(self, address: str) -> Recipient | None:
        """What an address means here; None where no mail is taken for it."""
        local, at, domain = address.rpartition("@")
        if len(address) > LONGEST:
            return None
        if not at:
            return Recipient(address) if domain.casefold() == POSTMASTER else None
        if address.casefold() in self._addresses:
            return Recipient(address)
        for plus in (n for n, character in enumerate(local) if character == "+"):
            if f"{local[:plus]}@{domain}".casefold() in self._addresses:
                return Recipient(address, _spelled(local[plus + 1 :]))
        own = domain.casefold() in self._domains
        if local and domain and (self._any or (own and local.casefold() == POSTMASTER)):
            return Recipient(address, address)
        return None


def _spelled(extension: str) -> str:
    """The address that an extension spells with = for @; "" where it spells none."""
    local, equals, domain = extension.rpartition("=")
    return f"{local}@{domain}" if equals and local and domain else ""


def without_options(arg: str, names: Iterable[str]) -> tuple[str, dict[str, str]]:
    """The argument of MAIL or RCPT without some of its parameters, and these by name.

    Their values keep their case, which the protocol's own parser does not.
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


def facts(sender: str, recipients: Iterable[Recipient], headers: Iterable[str] = ()) -> dict[str, Any]:
    """An SMTP envelope as it is kept beside its message; what it does not have is left out.

    `headers` are the header fields by which this sender may name further people.
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
