"""What a service says to systemd, and takes from it, in the plain protocols: no libsystemd is needed.

The messages are those of sd_notify(3) and sd_watchdog_enabled(3), the sockets those of sd_listen_fds(3);
their manual pages describe the protocols and promise that they stay. The packages that speak them are
either bindings to libsystemd, or have long had no release.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, MutableMapping

from muniment.system.sanitise import clean

FIRST = 3
"""The first inherited file descriptor (SD_LISTEN_FDS_START)."""
NAMELESS = "unknown"
"""What systemd calls a socket without FileDescriptorName."""


class Notifier:
    """Says to the service manager how this service is; where there is none, does nothing."""

    def __init__(self, address: str = "", interval: float = 0.0) -> None:
        """`address` is NOTIFY_SOCKET, `interval` the seconds between two signs of life; 0 for none."""
        self.interval = interval
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._status = ""

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str] = os.environ) -> Notifier:
        """As the environment says. Its variables are taken out, so that no child speaks in our name."""
        address = environ.pop("NOTIFY_SOCKET", "")
        microseconds = environ.pop("WATCHDOG_USEC", "")
        pid = environ.pop("WATCHDOG_PID", "") or str(os.getpid())
        watched = microseconds.isdecimal() and pid == str(os.getpid())
        # A third of what is allowed, so that one sign may come late.
        return cls(address, int(microseconds) / 3e6 if watched else 0.0)

    def ready(self) -> None:
        """Starting is over: the vault is open and the ports are."""
        self._say("READY=1")

    def status(self, text: str) -> None:
        """What the service does now, in a few words for `systemctl status`; said once while it stays."""
        if text != self._status:
            self._status = text
            self._say(f"STATUS={clean(text)}")

    def stopping(self) -> None:
        """The end has begun."""
        self._say("STOPPING=1")

    def alive(self) -> None:
        """A sign of life."""
        self._say("WATCHDOG=1")

    def _say(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.settimeout(1.0)
                sock.sendto(message.encode(), self._address)
        except OSError:
            return  # a manager that does not listen is no reason to stop archiving


class Heart:
    """Sees that the threads of a service go on, and gives the watchdog a sign of life only while all do.

    Each thread says by `expect` until when it will be heard of again. One that is overdue silences the
    heart for as long as it is.
    """

    def __init__(self, notifier: Notifier, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._notifier = notifier
        self._monotonic = monotonic
        self._due: dict[str, float] = {}
        self._beaten = float("-inf")

    def expect(self, name: str, seconds: float) -> None:
        """`name` is well now, and will say so again within `seconds`. From any thread."""
        self._due[name] = self._monotonic() + seconds

    def forget(self, name: str) -> None:
        """`name` has ended, and need not be heard of any more."""
        self._due.pop(name, None)

    def overdue(self) -> list[str]:
        """Who should have been heard of by now."""
        now = self._monotonic()
        return sorted(name for name, due in list(self._due.items()) if due < now)

    def beat(self) -> None:
        """Give a sign of life if one is due and nobody is overdue; call it at least every second."""
        interval, now = self._notifier.interval, self._monotonic()
        if interval and now - self._beaten >= interval and not self.overdue():
            self._beaten = now
            self._notifier.alive()


def inherited_sockets(environ: MutableMapping[str, str] = os.environ) -> dict[str, list[socket.socket]]:
    """The sockets that were opened for this very process, by the names that their units give them.

    Takes the variables out of the environment and marks the sockets so that children get neither; a
    second call finds none. A descriptor that is no socket is left out.
    """
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    if pid != str(os.getpid()) or not count.isdecimal():
        return found
    for number in range(int(count)):
        name = names[number] if number < len(names) and names[number] else NAMELESS
        try:
            os.set_inheritable(FIRST + number, False)
            found.setdefault(name, []).append(socket.socket(fileno=FIRST + number))
        except OSError:
            continue
    return found
