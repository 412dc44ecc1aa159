"""Whose an address was, and when: a time line of holds that never overlap."""

from __future__ import annotations

from dataclasses import dataclass

BEGINNING = -(2**63)
"""Stands for the beginning of time."""
FOREVER = 2**63 - 1
"""Stands for the end of time."""


@dataclass(frozen=True, slots=True)
class Hold:
    """An address was `user`'s in [start, end), seconds since 1970 UTC."""

    user: str
    start: int = BEGINNING
    end: int = FOREVER


Line = tuple[Hold, ...]
"""Holds of one address, in order of time."""


def always(line: Line) -> str | None:
    """The one user who has the address at all times, or None."""
    if len(line) == 1 and line[0].start == BEGINNING and line[0].end == FOREVER:
        return line[0].user
    return None


def at(line: Line, time: int) -> str | None:
    """Whose the address is at `time`, or None."""
    for hold in line:
        if hold.start <= time < hold.end:
            return hold.user
    return None


def without(line: Line, user: str) -> Line:
    """The line as if `user` had never had the address."""
    return tuple(h for h in line if h.user != user)


def granted(
    line: Line, user: str, now: int, since: int | None, valid_from: int | None, valid_to: int | None
) -> Line:
    """The line once the address is given to `user` by a change made at `now`.

    Without a validity they have it always, but for the time that it was another person's: a
    transfer. With one, it says exactly when the address is theirs around that time.
    """
    if valid_from is None and valid_to is None:
        held_now = bool(line) and line[-1].user == user and line[-1].end == FOREVER
        return line if held_now else _insert(line, Hold(user, _start(line, user, now, since)))
    end = FOREVER if valid_to is None else valid_to
    start = valid_from
    if start is None:
        own = [h.start for h in line if h.user == user]
        start = own[-1] if own else _start(line, user, now, since)
    rest = tuple(h for h in line if h.user != user or h.end <= start or h.start >= end)
    return _insert(rest, Hold(user, start, end))


def _start(line: Line, user: str, now: int, since: int | None) -> int:
    """From when an address is `user`'s, when no validity says so."""
    others = [h for h in line if h.user != user]
    if not others:
        return BEGINNING
    return min(now, others[-1].end) if since is None else since


def _insert(line: Line, new: Hold) -> Line:
    """`new` in the line: a hold that it cuts ends there, one that begins inside it goes."""
    if new.start >= new.end:
        return line
    before = [Hold(h.user, h.start, min(h.end, new.start)) for h in line if h.start < new.start]
    after = [h for h in line if h.start >= new.end]
    return _joined([*before, new, *after])


def _joined(holds: list[Hold]) -> Line:
    """The holds as a line, those of one user that touch made one."""
    line: list[Hold] = []
    for hold in holds:
        if line and line[-1].user == hold.user and line[-1].end == hold.start:
            line[-1] = Hold(hold.user, line[-1].start, hold.end)
        else:
            line.append(hold)
    return tuple(line)
