"""Legal holds, and counts of what they cover, in JSON and in words."""

from __future__ import annotations

from typing import Any

from muniment.api import HeldByWord, HoldCountWord, HoldWord, MailCountWord
from muniment.cli.output import plain
from muniment.system.formatting import count, iso, local


def hold_as_json(one: HoldWord) -> dict[str, Any]:
    """A hold as JSON has it."""
    fields: dict[str, Any] = plain(one)
    return fields | {
        "placed": iso(one.placed), "released": iso(one.released) if one.released else None,
        "open": not one.released,
    }  # fmt: skip


def count_as_json(found: HoldCountWord) -> dict[str, Any]:
    """A hold and its count as JSON has them."""
    fields: dict[str, Any] = plain(found)
    return fields | {
        "hold": hold_as_json(found.hold),
        "mail": mail_as_json(found.mail),
        "people": [{"user": one.user, "mail": mail_as_json(one.mail)} for one in found.people],
    }


def mail_as_json(mail: MailCountWord) -> dict[str, Any]:
    """A count of mail as JSON has it."""
    fields: dict[str, Any] = plain(mail)
    dates = {name: iso(fields[name]) if mail.messages else None for name in ("oldest", "newest")}
    return fields | dates


def title(one: HeldByWord | HoldWord) -> str:
    """A hold's name, with its case number if there is one."""
    return f"{one.name} (case {one.case})" if one.case else one.name


def sealed_words(people: int) -> str:
    """Say how many people's mail is not counted, since the caller may not open it."""
    whose = "1 person is" if people == 1 else f"{count(people)} people is"
    return f"The mail of {whose} sealed from you, and left out here. Holds cover it all the same."


def held_as_json(one: HeldByWord) -> dict[str, object]:
    """A hold that covers a message as JSON has it."""
    fields: dict[str, object] = plain(one)
    return fields | {"since": iso(one.since), "until": iso(one.until) if one.until else None}


def cover_words(one: HeldByWord) -> str:
    """Say that a hold covers a message, or did."""
    if one.until:
        return f"was held by {title(one)} from {local(one.since)} to {local(one.until)}"
    unsure = f"; not sure: {one.unsure}" if one.unsure else ""
    return f"held by {title(one)} since {local(one.since)}{unsure}"
