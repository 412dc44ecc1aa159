"""Approvals: acts that need a second person, which wait in a list until another administrator answers.

Who wants an act asks for it with its exact arguments. Another person, with another login and another user id,
approves or refuses; who asked may withdraw. An approval is good once, for exactly this act, for 30 days. If
the act then fails, the approval can be used again.

The acts that need a second person are a record as well. A new name in vault.toml counts at once. Removing
an act takes an approval itself.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec
from msgspec import Struct

from muniment.archive.catalog.model import DecisionRow
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.records import canonical
from muniment.archive.retention.holds import Actor
from muniment.archive.vault.vault import Vault
from muniment.errors import AccessRefused, NotFound, UsageError, VaultError
from muniment.system.sanitise import clean

RELAX = "approvals relax"
"""The act that takes an act off the list; it always needs a second person."""
GOOD = 30 * 86_400
"""Seconds in which a request can be answered, and in which an approval can be used."""
LONGEST_REASON = 2_000
"""Most characters."""
DIGITS = 8
"""Hex digits of an id."""
NOBODY = Actor("", -1)
State = Literal["waiting", "approved", "done", "refused", "withdrawn", "expired"]
Answer = Literal["approve", "refuse", "withdraw"]


@dataclass(frozen=True, slots=True)
class Approval:
    """A request for a second person's consent to one act, and what became of it."""

    number: int
    """The sequence of the record that asked for it."""
    id: str
    act: str
    """The act's name, such as "hold release"."""
    of: dict[str, Any]
    """The act's exact arguments."""
    reason: str
    asked: int
    """Seconds since 1970 UTC."""
    by: Actor
    answer: str = ""
    """The last answer; "" as long as it waits."""
    answered: int = 0
    answered_by: Actor = NOBODY
    answer_reason: str = ""
    used: int = 0
    """When the act was done; 0 before."""
    error: str = ""
    """Why the act failed when it was last tried; "" if it did not."""

    def state(self, now: int) -> State:
        """Return what has become of it by a time, in seconds since 1970 UTC."""
        if self.used:
            return "done"
        if self.answer in ("refuse", "withdraw"):
            return "refused" if self.answer == "refuse" else "withdrawn"
        if now >= (self.answered or self.asked) + GOOD:
            return "expired"
        return "approved" if self.answer else "waiting"


@dataclass(frozen=True, slots=True)
class ApprovalBook:
    """All approvals, oldest first, and the acts that need a second person."""

    approvals: list[Approval]
    needed: frozenset[str] = frozenset()

    def waiting(self, now: int) -> list[Approval]:
        """Return those that someone must still answer, or try again."""
        return [one for one in self.approvals if one.state(now) in ("waiting", "approved")]

    def find(self, id_: str) -> Approval:
        """Return the approval whose id begins with these digits.

        Raises:
            NotFound: There is none, or there are several.
        """
        wanted = clean(id_).strip().lower()
        found = [one for one in self.approvals if wanted and one.id.startswith(wanted)]
        if len(found) != 1:
            many = "Several approvals begin" if found else "No approval begins"
            raise NotFound(f"{many} with {wanted!r}; `muniment approvals list --all` lists all.")
        return found[0]


class _Record(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op"):
    v: int
    who: str
    uid: int


class _Ask(_Record, frozen=True, tag="ask"):
    id: str
    act: str
    of: dict[str, Any]
    reason: str


class _Answered(_Record, frozen=True):
    id: str
    reason: str = ""


class _Approve(_Answered, frozen=True, tag="approve"):
    pass


class _Refuse(_Answered, frozen=True, tag="refuse"):
    pass


class _Withdraw(_Answered, frozen=True, tag="withdraw"):
    pass


class _Done(_Record, frozen=True, tag="done"):
    id: str


class _Failed(_Record, frozen=True, tag="failed"):
    id: str
    error: str


class _Need(_Record, frozen=True, tag="need"):
    acts: tuple[str, ...]


_ANSWERS = {_Approve: "approve", _Refuse: "refuse", _Withdraw: "withdraw"}
_ANY = _Ask | _Approve | _Refuse | _Withdraw | _Done | _Failed | _Need


def read_approvals(rows: Iterable[DecisionRow]) -> ApprovalBook:
    """Return what the records of approvals make.

    Raises:
        VaultError: A record can't be read. Then nothing that needs a second person may be done.
    """
    found: dict[str, Approval] = {}
    needed: frozenset[str] = frozenset()
    for row in rows:
        try:
            record: Any = msgspec.convert(json.loads(row.content), _ANY)
        except (ValueError, msgspec.ValidationError) as error:
            raise VaultError(
                f"The approval in record {row.sequence} can't be read ({error}); use the release that "
                "recorded it, or a newer one."
            ) from error
        by = Actor(record.who, record.uid)
        if isinstance(record, _Need):
            needed = frozenset(record.acts)
        elif isinstance(record, _Ask):
            found[record.id] = Approval(
                row.sequence, record.id, record.act, record.of, record.reason, row.time, by
            )
        elif record.id in found:
            found[record.id] = _after(found[record.id], record, row.time, by)
    return ApprovalBook(list(found.values()), needed)


def _after(one: Approval, record: Any, time: int, by: Actor) -> Approval:
    if isinstance(record, _Done):
        return replace(one, used=time, error="")
    if isinstance(record, _Failed):
        return replace(one, error=record.error)
    return replace(
        one, answer=_ANSWERS[type(record)], answered=time, answered_by=by, answer_reason=record.reason
    )


def approvals_of(vault: Vault) -> ApprovalBook:
    """Return all approvals of a vault; raises as `read_approvals`."""
    return read_approvals(vault.catalog.decisions(RecordKind.APPROVAL))


# --- records ----------------------------------------------------------------------------------------------


def ask_value(
    earlier: Iterable[DecisionRow], act: str, of: dict[str, Any], reason: str, by: Actor, now: int
) -> dict[str, Any]:
    """Make the record that asks for an act.

    Args:
        earlier: All records of approvals so far.
        act: The act's name.
        of: Its exact arguments, as plain values of JSON.
        reason: Why it is wanted.
        by: Who asks.
        now: The time now, in seconds since 1970 UTC.

    Raises:
        UsageError: The reason is missing or too long, or the same act waits already.
    """
    reason = _reason(reason, needed=True)
    for one in read_approvals(earlier).waiting(now):
        if one.act == act and canonical(one.of) == canonical(of):
            raise UsageError(f"The approval {one.id} for just this waits already, asked by {one.by.who}.")
    return {
        "op": "ask", "id": secrets.token_hex(DIGITS // 2), "act": act, "of": of, "reason": reason,
        "who": by.who, "uid": by.uid,
    }  # fmt: skip


def answer_values(
    earlier: Iterable[DecisionRow], id_: str, answer: Answer, reason: str, by: Actor, now: int
) -> list[dict[str, Any]]:
    """Make the record of an answer; none if the act was approved before and is only tried again.

    Args:
        earlier: All records of approvals so far.
        id_: The approval's id, or its beginning.
        answer: "approve", "refuse" or "withdraw".
        reason: Why; "" for none.
        by: Who answers.
        now: The time now, in seconds since 1970 UTC.

    Raises:
        NotFound: There is no such approval.
        AccessRefused: It is not theirs to answer: nobody approves or refuses what they asked for, and only
            who asked may withdraw.
        UsageError: It is answered already, too old, or the reason is too long.
    """
    one = read_approvals(earlier).find(id_)
    _require_other(one, answer, by)
    state = one.state(now)
    again = state == "approved" and answer == "approve"
    if state != "waiting" and not again and not (state == "approved" and answer != "approve"):
        raise UsageError(f"The approval {one.id} is {state} already, so it can't be answered; ask again.")
    if again:
        return []
    value = {"op": answer, "id": one.id, "who": by.who, "uid": by.uid}
    reason = _reason(reason, needed=False)
    return [value | ({"reason": reason} if reason else {})]


def _require_other(one: Approval, answer: Answer, by: Actor) -> None:
    same = by.uid == one.by.uid or by.who == one.by.who
    if answer == "withdraw" and by != one.by:
        raise AccessRefused(f"only {one.by.who} may withdraw the approval {one.id}; you can refuse it")
    if answer != "withdraw" and same:
        raise AccessRefused(
            f"the approval {one.id} was asked for by you ({one.by.who}): another administrator must answer "
            "it; you can withdraw it"
        )


def done_value(id_: str, by: Actor, error: str = "") -> dict[str, Any]:
    """Make the record that an approved act was done, or failed with `error`."""
    value = {"op": "failed" if error else "done", "id": id_, "who": by.who, "uid": by.uid}
    return value | ({"error": clean(error)[:LONGEST_REASON]} if error else {})


def need_values(
    earlier: Iterable[DecisionRow], more: Iterable[str], by: Actor, without: str = ""
) -> list[dict[str, Any]]:
    """Make the record of the acts that need a second person; none if they stay as they are.

    Args:
        earlier: All records of approvals so far.
        more: The acts that vault.toml names.
        by: Who changes them.
        without: An act that no longer needs a second person, by an approval.
    """
    before = read_approvals(earlier).needed
    after = (before | frozenset(more)) - {without}
    if after == before:
        return []
    return [{"op": "need", "acts": sorted(after), "who": by.who, "uid": by.uid}]


def _reason(text: str, *, needed: bool) -> str:
    made = clean(text).strip()
    if len(made) > LONGEST_REASON:
        raise UsageError(f"A reason has at most {LONGEST_REASON} characters; shorten it.")
    if needed and not made:
        raise UsageError("A second person must know the reason; give one.")
    return made
