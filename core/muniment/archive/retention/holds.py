"""Legal holds: named orders that mail must not be erased, even where a rule says so.

A hold is standing: it covers mail that comes later, as long as it is open. Two records make its history, with
`op` "place" and "release"; neither is ever changed. Names are unique among open holds, in any case, so a
released name can be used again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from muniment.archive.catalog.model import DecisionRow, MessageRow
from muniment.archive.ledger.model import RecordKind
from muniment.archive.retention.coverage import Coverage, MessagePage, SelectionMatch
from muniment.archive.retention.selection import MailSelection, read_selection, selection_value
from muniment.archive.vault.vault import Vault
from muniment.errors import NotFound, UsageError, VaultError
from muniment.system.sanitise import clean

LONGEST_NAME, LONGEST_CASE, LONGEST_REASON = 80, 80, 2_000
"""Most characters."""


class Actor(NamedTuple):
    """Who decides, as the kernel names them."""

    who: str
    """The login."""
    uid: int


@dataclass(frozen=True, slots=True)
class Release:
    """The end of a hold."""

    time: int
    """Seconds since 1970 UTC."""
    by: Actor
    reason: str
    approval: str = ""
    """The id of the approval by a second person; "" if none was needed."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold, open or released."""

    number: int
    """The sequence of the record that placed it: its id among holds of the same name."""
    name: str
    case: str
    """The case number; "" if there is none."""
    reason: str
    selection: MailSelection
    placed: int
    """Seconds since 1970 UTC."""
    by: Actor
    release: Release | None = None
    """None while it is open."""

    @property
    def open(self) -> bool:
        """Whether it still protects mail."""
        return self.release is None

    @property
    def title(self) -> str:
        """Its name, with the case number if there is one."""
        return f"{self.name} (case {self.case})" if self.case else self.name


class _Placed(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="place"):
    v: int
    name: str
    case: str
    reason: str
    selection: dict[str, Any]
    who: str
    uid: int


class _Released(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="release"):
    v: int
    name: str
    hold: int
    reason: str
    who: str
    uid: int
    approval: str = ""


def read_holds(rows: Iterable[DecisionRow]) -> list[Hold]:
    """Return all holds that records make, oldest first.

    Raises:
        VaultError: A record can't be read. Then no one can say what is held, so nothing may be erased.
    """
    holds: dict[int, Hold] = {}
    for row in rows:
        try:
            record = msgspec.convert(json.loads(row.content), _Placed | _Released)
        except (ValueError, msgspec.ValidationError) as error:
            raise VaultError(
                f"The legal hold in record {row.sequence} can't be read ({error}); use the release that "
                "recorded it, or a newer one."
            ) from error
        by = Actor(record.who, record.uid)
        if isinstance(record, _Placed):
            selection = read_selection(record.selection)
            holds[row.sequence] = Hold(
                row.sequence, record.name, record.case, record.reason, selection, row.time, by
            )
        elif record.hold in holds:
            release = Release(row.time, by, record.reason, record.approval)
            holds[record.hold] = replace(holds[record.hold], release=release)
    return list(holds.values())


def holds_of(vault: Vault) -> list[Hold]:
    """Return all holds of a vault, oldest first; raises as `read_holds`."""
    return read_holds(vault.catalog.decisions(RecordKind.HOLD))


def open_holds(vault: Vault) -> list[Hold]:
    """Return the open holds of a vault, oldest first; raises as `read_holds`."""
    return [hold for hold in holds_of(vault) if hold.open]


def named(holds: Iterable[Hold], name: str) -> Hold:
    """Return the open hold with a name, in any case; else the last one that was released.

    Raises:
        NotFound: No hold has this name.
    """
    found = [hold for hold in holds if _key(hold.name) == _key(name)]
    if not found:
        raise NotFound(f"There is no hold {clean(name)!r}; `muniment hold list --all` lists all holds.")
    return next((hold for hold in found if hold.open), found[-1])


def open_named(holds: Iterable[Hold], name: str) -> Hold:
    """Return the open hold with a name, in any case.

    Raises:
        NotFound: No open hold has this name.
    """
    hold = named(holds, name)
    if not hold.open:
        raise NotFound(f"The hold {hold.name!r} is released; there is no open hold of this name.")
    return hold


def _key(name: str) -> str:
    """Return a name in the form in which names are compared: as it would be recorded, in any case."""
    return " ".join(clean(name).split()).casefold()


def place_value(
    earlier: Iterable[DecisionRow], name: str, case: str, reason: str, selection: MailSelection, by: Actor
) -> dict[str, Any]:
    """Make the record that places a hold.

    Args:
        earlier: All records of holds so far.
        name: The hold's name.
        case: The case number; "" if there is none.
        reason: Why the mail is held.
        selection: The mail that it covers.
        by: Who places it.

    Raises:
        UsageError: A text is missing or too long, or an open hold has this name.
    """
    name, case, reason = (clean(text).strip() for text in (name, case, reason))
    for what, text, most in (
        ("name", name, LONGEST_NAME), ("case number", case, LONGEST_CASE), ("reason", reason, LONGEST_REASON),
    ):  # fmt: skip
        if len(text) > most:
            raise UsageError(f"The {what} of a hold has at most {most} characters; shorten it.")
    if not name or not reason:
        raise UsageError("A hold needs a name and a reason; give both.")
    same = [hold for hold in read_holds(earlier) if hold.open and _key(hold.name) == _key(name)]
    if same:
        raise UsageError(f"The hold {same[0].name!r} is open already; choose another name, or release it.")
    return {
        "op": "place", "name": name, "case": case, "reason": reason,
        "selection": selection_value(selection), "who": by.who, "uid": by.uid,
    }  # fmt: skip


def release_value(
    earlier: Iterable[DecisionRow], name: str, number: int, reason: str, by: Actor, approval: str = ""
) -> dict[str, Any]:
    """Make the record that releases a hold.

    Args:
        earlier: All records of holds so far.
        name: The hold's name.
        number: The hold's number: a hold of the same name that was placed since is another one. -1 for the
            open one.
        reason: Why it is released.
        by: Who releases it.
        approval: The id of the approval by a second person; "" if none was needed.

    Raises:
        NotFound: No open hold has this name and number.
        UsageError: The reason is missing or too long.
    """
    hold = open_named(read_holds(earlier), name)
    if number not in (-1, hold.number):
        raise NotFound(f"The hold {hold.name!r} was released and placed again since; look at it first.")
    reason = clean(reason).strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise UsageError(f"A release needs a reason of at most {LONGEST_REASON} characters; give one.")
    value = {
        "op": "release", "name": hold.name, "hold": hold.number, "reason": reason, "who": by.who,
        "uid": by.uid,
    }  # fmt: skip
    return value | ({"approval": approval} if approval else {})


# --- what they cover --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HeldBy:
    """A hold that covers a message."""

    hold: Hold
    unsure: str = ""
    """Why it is not certain that the message is selected; "" if it is. It is covered in any case."""


class HoldMatch:
    """Some holds, ready to be compared with mail by the directory of this moment."""

    def __init__(self, vault: Vault, holds: Sequence[Hold]) -> None:
        self._matches = [(hold, SelectionMatch(vault, hold.selection)) for hold in holds]

    def coverages(self, page: MessagePage) -> list[tuple[Hold, Coverage]]:
        """Return what each hold covers of a page of messages."""
        return [(hold, match.coverage(page)) for hold, match in self._matches]

    def held(self, page: MessagePage) -> dict[int, list[HeldBy]]:
        """Return the holds that cover messages, by number; messages without one are left out."""
        found: dict[int, list[HeldBy]] = {}
        for hold, coverage in self.coverages(page):
            for number in coverage.numbers:
                found.setdefault(number, []).append(HeldBy(hold, coverage.possible.get(number, "")))
        return found


def holds_on(vault: Vault, rows: Sequence[MessageRow]) -> dict[int, tuple[str, ...]]:
    """Return the open holds that cover messages, in words, by number; messages without one are left out.

    The records are read now, so a hold that was placed a moment ago counts.

    Raises:
        VaultError: A hold can't be read; then nothing may be erased.
    """
    holds = open_holds(vault)
    if not holds:
        return {}
    held = HoldMatch(vault, holds).held(MessagePage(vault, rows))
    return {
        number: tuple(f"held by {one.hold.title}" for one in covering) for number, covering in held.items()
    }
