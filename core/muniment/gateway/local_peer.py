"""Which user of this machine is at the other end of a TCP connection, according to the kernel.

On the machine itself an address proves nothing: every local user can connect to loopback and to the machine's
own addresses. Linux lists its TCP sockets with their owners in `/proc/self/net/tcp` and `tcp6`
(proc_pid_net(5)).
"""

from __future__ import annotations

import ipaddress
import pwd
import sys
from collections.abc import Iterator
from pathlib import Path

TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_LOCAL, _REMOTE, _UID, _INODE = 1, 2, 7, 9
"""Columns of these tables."""

Address = tuple[str, int]
"""An IP address and a port."""


class OwnerUnknown(Exception):
    """The client's socket is on this machine, but the kernel names no owner for it.

    A socket that its process has closed already has no owner, and is listed as root's.
    """


def socket_owner(client: Address, server: Address) -> int | None:
    """The uid that owns the client's end of a connection; None if that end is on another machine.

    Raises:
        OwnerUnknown: it is on this machine, but its owner is not known.
    """
    found = False
    local, remote = _spellings(client), _spellings(server)
    for row in _rows():
        if row[_LOCAL] in local and row[_REMOTE] in remote:
            if row[_INODE] != "0":
                return int(row[_UID])
            found = True
    if found or _address(client[0]).is_loopback:
        raise OwnerUnknown
    return None


def user_name(uid: int) -> str:
    """The login name of a uid; the uid in digits if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _rows() -> Iterator[list[str]]:
    for table in TABLES:
        try:
            with table.open("r", encoding="ascii", errors="replace") as lines:
                next(lines, "")
                for line in lines:
                    row = line.split()
                    if len(row) > _INODE:
                        yield row
        except OSError:
            continue  # a kernel without IPv6, or a system without /proc


def _spellings(address: Address) -> set[str]:
    """An address and port as the tables write them: in IPv4, and in the IPv6 form that it is mapped to."""
    ip = _address(address[0])
    spelled = {ip.packed}
    if isinstance(ip, ipaddress.IPv4Address):
        spelled.add(b"\0" * 10 + b"\xff\xff" + ip.packed)
    return {f"{_words(packed)}:{address[1]:04X}" for packed in spelled}


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IP address. For one that is mapped into IPv6, the IPv4 address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _words(packed: bytes) -> str:
    """Bytes in network order as the tables write them: words of four bytes in the machine's byte order."""
    words = (packed[n : n + 4] for n in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
