"""Writes events as syslog messages (RFC 5424), each with its length in front (RFC 5425 4.3, RFC 6587 3.4.1).

Every text passes the sanitiser. A message has at most LIMIT bytes, which every receiver should take
(RFC 5425 4.3.1): longer values are cut, and end with CUT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from muniment import __version__
from muniment.system.sanitise import clean

LIMIT = 8192
"""Most bytes of a message."""
CUT = "…"
"""The end of a value that was cut."""
PARAMETERS = 32
"""Most parameters of an event."""
SD_ID = "muniment@32473"
"""The name of the event's parameters. No enterprise number is registered for Muniment; 32473 is the one for
examples (RFC 5612)."""
FACILITIES = {
    "user": 1, "daemon": 3, "auth": 4, "authpriv": 10, "audit": 13, "local0": 16, "local1": 17, "local2": 18,
    "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23,
}  # fmt: skip
"""Numbers of facilities, by the names that vault.toml has for them."""
WARNING, NOTICE, INFORMATIONAL = 4, 5, 6
"""Severities."""
NIL = "-"
_BOM = b"\xef\xbb\xbf"
_LENGTHS = (1024, 512, 256, 128, 64)
"""Most bytes of a value; the first length with which the message fits is used."""
_LARGEST = 2_147_483_647
"""Largest `sequenceId`; 1 follows (RFC 5424 7.3.1)."""
_UNPRINTABLE = re.compile(r"[^!-~]")
_NO_NAME = re.compile(r'[^!-~]|[="\]]')
_ESCAPED = re.compile(r'(["\\\]])')


@dataclass(frozen=True, slots=True)
class SyslogEvent:
    """An event to send."""

    number: int
    """Its place among all events, from 1 on. A receiver finds gaps and repetitions by it."""
    time: int
    """Seconds since 1970 UTC."""
    kind: str
    """The type of the message (MSGID), such as "read"."""
    severity: int
    text: str
    """A sentence for people."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Names and values for programs."""


def framed(event: SyslogEvent, facility: int, host: str) -> bytes:
    """The message of an event, with its length in front.

    Args:
        event: The event.
        facility: The number of a facility.
        host: The name of this machine.
    """
    message = encoded(event, facility, host)
    return b"%d %b" % (len(message), message)


def encoded(event: SyslogEvent, facility: int, host: str) -> bytes:
    """The message of an event, of at most LIMIT bytes. The arguments are those of `framed`."""
    head = " ".join((
        f"<{facility * 8 + event.severity}>1", _timestamp(event.time), _printable(host, 255), "muniment", NIL,
        _printable(event.kind, 32),
    )).encode("ascii")  # fmt: skip
    whole = b""
    for most in _LENGTHS:
        whole = b"%b %b %b%b" % (head, _structured(event, most), _BOM, _cut(event.text, most).encode())
        if len(whole) <= LIMIT:
            break
    return whole


def _structured(event: SyslogEvent, most: int) -> bytes:
    meta = f'[meta sequenceId="{(event.number - 1) % _LARGEST + 1}"]'
    origin = f'[origin software="muniment" swVersion="{__version__}"]'
    pairs = list(event.parameters.items())[:PARAMETERS]
    own = "".join(
        f' {_NO_NAME.sub("_", name)[:32] or "_"}="{_escaped(_cut(value, most))}"' for name, value in pairs
    )
    return f"{meta}{origin}[{SD_ID}{own}]".encode()


def _escaped(value: str) -> str:
    return _ESCAPED.sub(r"\\\1", value)


def _cut(text: str, most: int) -> str:
    """The text, sanitised, with at most that many bytes in UTF-8."""
    text = clean(text[: most + 1] if len(text) > most + 1 else text)
    data = text.encode("utf-8", "replace")
    if len(data) <= most:
        return data.decode()
    return data[: most - len(CUT.encode())].decode("utf-8", "ignore") + CUT


def _printable(text: str, most: int) -> str:
    """The text as a field of the header: printable ASCII, not empty."""
    return _UNPRINTABLE.sub("", text)[:most] or NIL


def _timestamp(time: int) -> str:
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    except (ValueError, OverflowError, OSError, TypeError):
        return NIL
