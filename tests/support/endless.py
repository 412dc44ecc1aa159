"""A folder of any number of messages, computed on request."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from muniment import api
from muniment.api import Hit, Hits, ListMessages, Search
from support.words import hit, message, status

MANY = 10_000_000
START = 1_000_000_000
"""The date of the oldest message."""


@dataclass
class Folder:
    """Answers pages like the engine, for messages at given dates, oldest first.

    It has neither index nor catalog. Tests of the engine compare its places with the real ones.
    """

    dates: Sequence[int]
    counted: int = 1 << 60
    """Distance from the ends up to which it counts. Beyond it, `first` is an estimate."""
    short: int = 1 << 60
    """Maximum number of rows in a page, as for an engine that checks candidates one by one."""
    asked: list[ListMessages | Search] = field(default_factory=list)

    def say(self, request: ListMessages | Search) -> Hits:
        self.asked.append(request)
        oldest, total = request.oldest_first, len(self.dates)
        first, exact = -1, True
        if request.after:
            at = int(request.after) + 1 if oldest else int(request.after) - 1
        elif request.around is not None:
            if oldest:
                at = first = bisect_left(self.dates, request.around)
            else:
                at = bisect_right(self.dates, request.around) - 1
                first = total - 1 - at
            if self.counted < first < total - self.counted:
                first, exact = min(first + first // 3, total - self.counted), False
        else:
            at, first = (0 if oldest else total - 1), 0
        step = 1 if oldest else -1
        size = min(request.limit, self.short)
        numbers = [n for n in range(at, at + step * size, step) if 0 <= n < total]
        more = bool(numbers) and 0 <= numbers[-1] + step < total
        return Hits(
            total=total, behind=0, hits=tuple(self.hit(n) for n in numbers),
            after=str(numbers[-1]) if more else "", before=str(numbers[0]) if numbers else "",
            first=first, exact=exact,
        )  # fmt: skip

    def hit(self, number: int) -> Hit:
        return hit(id=f"{number:064x}", date=self.dates[number])


def spread(kind: str) -> Sequence[int]:
    if kind == "even":
        return range(START, START + 60 * MANY, 60)
    return [*range(START, START + 100), *range(2 * START, 2 * START + MANY - 100)]


class Endless:
    """A transport to a vault with one user, who has MANY messages."""

    def __init__(self) -> None:
        self.folder = Folder(spread("even"), counted=20_000)

    def __call__(self, vault: Path) -> Endless:
        return self

    def call(self, request: api.Request) -> api.WireWord:
        """Answer the requests of the Messages area."""
        if isinstance(request, ListMessages | Search):
            return self.folder.say(request)
        if isinstance(request, api.GetTree):
            inbox = api.Folder(name="Inbox", count=MANY)
            return api.Tree(users=(api.UserFolders(user="bob@quill.example", folders=(inbox,)),))
        return message() if isinstance(request, api.Show) else status()

    def stream(self, request: api.Request) -> Iterator[api.WireWord]:
        """Refuse, since there are no streams."""
        raise NotImplementedError

    def close(self) -> None:
        """There is nothing to close."""
