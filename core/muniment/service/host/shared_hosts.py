"""The hosts of runs of a process without a service."""

from __future__ import annotations

import threading
from pathlib import Path

from muniment.service.host.run_host import RunHost
from muniment.service.host.session import ClientSession


class SharedHosts:
    """The hosts of a process without a service: one for each vault, shared by its sessions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: dict[Path, tuple[RunHost, int]] = {}

    def take(self, folder: Path) -> RunHost:
        """Borrow the host of a vault; return it with `give_back`."""
        with self._lock:
            host, users = self._hosts.get(folder) or (RunHost(ClientSession(folder), in_service=False), 0)
            self._hosts[folder] = (host, users + 1)
            return host

    def give_back(self, folder: Path) -> None:
        """Return a borrowed host. The last return closes it."""
        with self._lock:
            host, users = self._hosts[folder]
            if users > 1:
                self._hosts[folder] = (host, users - 1)
                return
            del self._hosts[folder]
        host.close()


shared = SharedHosts()
