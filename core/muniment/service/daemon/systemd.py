"""The protocols between a service and systemd, without libsystemd.

The messages are those of sd_notify(3) and sd_watchdog_enabled(3), the sockets those of sd_listen_fds(3).
These manual pages describe the protocols and promise that they are stable. The packages for them need
libsystemd, or have had no release for years.
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
"""The name of a socket without FileDescriptorName."""


class SystemdNotifier:
    """Sends the state of the service to the service manager; does nothing if there is none."""

    def __init__(self, address: str = "", interval: float = 0.0) -> None:
        """`address` is NOTIFY_SOCKET; `interval` is the seconds between two watchdog messages, 0 for none."""
        self.interval = interval
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._status = ""

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str] = os.environ) -> SystemdNotifier:
        """The notifier that the environment describes. Its variables are removed, so children can't use
        them."""
        address = environ.pop("NOTIFY_SOCKET", "")
        microseconds = environ.pop("WATCHDOG_USEC", "")
        pid = environ.pop("WATCHDOG_PID", "") or str(os.getpid())
        watched = microseconds.isdecimal() and pid == str(os.getpid())
        # A third of the allowed time, so that one message may be late.
        return cls(address, int(microseconds) / 3e6 if watched else 0.0)

    def ready(self) -> None:
        """Report that the start is complete: the vault and all ports are open."""
        self._say("READY=1")

    def status(self, text: str) -> None:
        """Report what the service is doing, for `systemctl status`. A repeated text is not sent."""
        if text != self._status:
            self._status = text
            self._say(f"STATUS={clean(text)}")

    def stopping(self) -> None:
        """Report that the service is stopping."""
        self._say("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._say("WATCHDOG=1")

    def _say(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.settimeout(1.0)
                sock.sendto(message.encode(), self._address)
        except OSError:
            return  # archiving goes on if the manager does not listen


class Watchdog:
    """Feeds the watchdog only while all watched threads report in time.

    Each thread calls `expect` with the time until its next report. While one is overdue, the watchdog is not
    fed.
    """

    def __init__(self, notifier: SystemdNotifier, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._notifier = notifier
        self._monotonic = monotonic
        self._due: dict[str, float] = {}
        self._beaten = float("-inf")

    def expect(self, name: str, seconds: float) -> None:
        """Report that `name` works, and that it will report again within `seconds`. From any thread."""
        self._due[name] = self._monotonic() + seconds

    def forget(self, name: str) -> None:
        """Stop watching `name`, since it has ended."""
        self._due.pop(name, None)

    def overdue(self) -> list[str]:
        """The names whose reports are late."""
        now = self._monotonic()
        return sorted(name for name, due in list(self._due.items()) if due < now)

    def beat(self) -> None:
        """Feed the watchdog if it is time and no report is late. Call this at least every second."""
        interval, now = self._notifier.interval, self._monotonic()
        if interval and now - self._beaten >= interval and not self.overdue():
            self._beaten = now
            self._notifier.alive()


def inherited_sockets(environ: MutableMapping[str, str] = os.environ) -> dict[str, list[socket.socket]]:
    """The sockets that systemd opened for this process, by the names in their units.

    The variables are removed from the environment, and the sockets are not inheritable, so children get
    neither. A second call finds none. A descriptor that is not a socket is ignored.
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
