"""Who has clients of the service: the users of the system with open connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

BREAK = 60.0
"""Seconds without a connection after which a user has left. A client connects again for each request."""


@dataclass(slots=True)
class PresentUser:
    """A user of the system who has clients."""

    uid: int
    since: float
    """When the first connection without a longer break before it began, in seconds since 1970 UTC."""
    seen: float
    """When the last connection began or ended."""
    clients: int = 0
    """Open connections."""


class ClientRegister:
    """Notes when connections begin and end. For any thread."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives seconds since 1970 UTC."""
        self._clock = clock
        self._lock = threading.Lock()
        self._users: dict[int, PresentUser] = {}

    def came(self, uid: int) -> None:
        """A connection of a user has begun."""
        with self._lock:
            user = self._users.get(uid)
            if user is None or self._has_left(user):
                user = self._users[uid] = PresentUser(uid, self._clock(), 0.0)
            user.clients += 1
            user.seen = self._clock()

    def left(self, uid: int) -> None:
        """A connection of a user has ended."""
        with self._lock:
            user = self._users[uid]
            user.clients -= 1
            user.seen = self._clock()

    def present(self) -> list[PresentUser]:
        """The users with clients now or a short time ago, the one who came first at the beginning."""
        with self._lock:
            self._users = {uid: user for uid, user in self._users.items() if not self._has_left(user)}
            users = [PresentUser(one.uid, one.since, one.seen, one.clients) for one in self._users.values()]
        return sorted(users, key=lambda user: user.since)

    def _has_left(self, user: PresentUser) -> bool:
        return not user.clients and self._clock() - user.seen > BREAK
