"""The history of an address: whose it was at what time, as periods that never overlap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

BEGINNING = -(2**63)
"""The start of a period without a start."""
FOREVER = 2**63 - 1
"""The end of a period without an end."""


@dataclass(frozen=True, slots=True)
class AddressPeriod:
    """A period in which an address belongs to a user."""

    user: str
    """The user's id."""
    start: int = BEGINNING
    """The first second of the period, since 1970 UTC."""
    end: int = FOREVER
    """The first second after the period, since 1970 UTC."""


Line = tuple[AddressPeriod, ...]
"""The periods of one address, in order of time."""


def permanent_user(line: Line) -> str | None:
    """Return the user who has the address at all times; None if there is none."""
    if len(line) == 1 and line[0].start == BEGINNING and line[0].end == FOREVER:
        return line[0].user
    return None


def user_at(line: Line, time: int) -> str | None:
    """Return the user who has the address at `time`, in seconds since 1970 UTC; None if none has it."""
    for hold in line:
        if hold.start <= time < hold.end:
            return hold.user
    return None


def free_periods(line: Line) -> Iterator[tuple[int, int]]:
    """Yield start and end of each period in which no one has the address."""
    start = BEGINNING
    for hold in line:
        if start < hold.start:
            yield start, hold.start
        start = hold.end
    if start < FOREVER:
        yield start, FOREVER


def without_user(line: Line, user: str) -> Line:
    """Remove all periods of a user."""
    return tuple(h for h in line if h.user != user)


def grant(
    line: Line, user: str, now: int, since: int | None, valid_from: int | None, valid_to: int | None
) -> Line:
    """Give an address to a user.

    Without `valid_from` and `valid_to`, the user has the address whenever no other person has it. With one of
    them, they say exactly when the address is the user's. All times are seconds since 1970 UTC.

    Args:
        line: The history of the address.
        user: The user's id.
        now: The time of the change.
        since: The start of a transfer from another person; None for `now`.
        valid_from: The start of the period.
        valid_to: The end of the period.

    Returns:
        The new history.
    """
    if valid_from is None and valid_to is None:
        held_now = bool(line) and line[-1].user == user and line[-1].end == FOREVER
        return line if held_now else _insert(line, AddressPeriod(user, _start(line, user, now, since)))
    end = FOREVER if valid_to is None else valid_to
    start = valid_from
    if start is None:
        own = [h.start for h in line if h.user == user]
        start = own[-1] if own else _start(line, user, now, since)
    rest = tuple(h for h in line if h.user != user or h.end <= start or h.start >= end)
    return _insert(rest, AddressPeriod(user, start, end))


def _start(line: Line, user: str, now: int, since: int | None) -> int:
    """Return the start of a period whose start is not given."""
    others = [h for h in line if h.user != user]
    if not others:
        return BEGINNING
    return min(now, others[-1].end) if since is None else since


def _insert(line: Line, new: AddressPeriod) -> Line:
    """Insert a period: one that it overlaps at its start is cut, one that begins within it is removed."""
    if new.start >= new.end:
        return line
    before = [AddressPeriod(h.user, h.start, min(h.end, new.start)) for h in line if h.start < new.start]
    after = [h for h in line if h.start >= new.end]
    return _joined([*before, new, *after])


def _joined(holds: list[AddressPeriod]) -> Line:
    """Join adjacent periods of the same user."""
    line: list[AddressPeriod] = []
    for hold in holds:
        if line and line[-1].user == hold.user and line[-1].end == hold.start:
            line[-1] = AddressPeriod(hold.user, line[-1].start, hold.end)
        else:
            line.append(hold)
    return tuple(line)
