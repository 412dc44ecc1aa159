"""The time zone of who asks: how a client names it, and what a name means.

A day in a query and a day on the screen are of one zone, that of the client. It goes with each request that
says days, as a name (`Europe/Berlin`), a rule as POSIX writes it (`CET-1CEST,M3.5.0,M10.5.0/3`) or an offset
(`+01:00`); "" is UTC. Names need a database: Debian's, or the `tzdata` that comes with Muniment.
"""

from __future__ import annotations

import os
import re
import struct
import time
from datetime import UTC, timedelta, timezone, tzinfo
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

LONGEST = 128
"""Characters of a zone's name."""
MACHINE, MACHINE_NAME, DATABASE = Path("/etc/localtime"), Path("/etc/timezone"), Path("/usr/share/zoneinfo")
_OFFSET = re.compile(r"([+-])([01][0-9]|2[0-3]):?([0-5][0-9])")
_STATED = r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)"
_HOURS = r"[+-]?(?:[01]?[0-9]|2[0-2])(?::[0-5][0-9]){0,2}(?![0-9:])"
_RULE = re.compile(rf"{_STATED}{_HOURS}(?:{_STATED}(?:{_HOURS})?,[ -~]*)?")
"""A name and how far it is from UTC, twice. POSIX allows 24 hours, `datetime` less than that."""
_NAME = re.compile(r"[A-Za-z0-9_+/-]+")
_UTC = frozenset({"", "UTC", "UTC0", "UCT", "GMT", "GMT0", "Zulu", "Universal"})


def local_zone() -> str:
    """The zone of this process as requests name it: by TZ, else by the machine's setting."""
    return _named(os.environ.get("TZ"))


def local_tz() -> tzinfo:
    """The zone of this process."""
    return zone_of(local_zone())


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo:
    """The zone of a name, a rule or an offset; "" is UTC.

    Raises:
        ValueError: it is none of them, or not known on this machine.
    """
    if name.rpartition("/")[2] in _UTC:
        return UTC
    if len(name) <= LONGEST:
        if offset := _OFFSET.fullmatch(name):
            shift = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
            return timezone(-shift if offset[1] == "-" else shift)
        for known in (_by_name, _by_rule):
            if (found := known(name)) is not None:
                return found
    raise ValueError(f"{name!r} is no time zone that is known here: set TZ to a name such as Europe/Berlin")


def _by_name(name: str) -> tzinfo | None:
    if not _NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return None


def _by_rule(rule: str) -> tzinfo | None:
    """A zone of the rule alone: a file as the database has them, without transitions and with that rule."""
    if not _RULE.fullmatch(rule):
        return None
    sizes = struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    header = b"TZif2" + bytes(15) + sizes + struct.pack(">lBB", 0, 0, 0) + b"UTC\0"
    try:
        return ZoneInfo.from_file(BytesIO(header * 2 + b"\n" + rule.encode("ascii") + b"\n"), key=rule)
    except (ValueError, OSError):
        return None


@lru_cache(maxsize=8)
def _named(setting: str | None) -> str:
    """What the value of TZ means; None where it is not set."""
    for name in _candidates(setting):
        try:
            zone = zone_of(name)
        except ValueError:
            continue
        return "" if zone is UTC else name
    written = time.strftime("%z")
    return "" if written in ("", "+0000") else f"{written[:3]}:{written[3:]}"


def _candidates(setting: str | None) -> list[str]:
    """What the zone may be called, the best name first."""
    if setting is not None:
        name = setting.removeprefix(":")
        return _of_file(Path(name)) if name.startswith("/") else [name]
    return [*_written_down(), *_of_file(MACHINE)]


def _written_down() -> list[str]:
    """The machine's zone as Debian writes it down, where that is the one that counts."""
    try:
        name = MACHINE_NAME.read_text("ascii").strip()
        same = bool(name) and (DATABASE / name).read_bytes() == MACHINE.read_bytes()
    except (OSError, ValueError):
        return []
    return [name] if same else []


def _of_file(path: Path) -> list[str]:
    """What a file of the database is called, by where it is, and the rule that it ends with."""
    try:
        real = path.resolve(strict=True)
        if not real.is_file():  # a device would be read without end
            return []
        with real.open("rb") as file:
            file.seek(max(real.stat().st_size - LONGEST, 0))
            rule = file.read(LONGEST).rstrip(b"\n").rpartition(b"\n")[2].decode("ascii", "ignore")
    except OSError:
        return []
    _, within, name = str(real).rpartition("/zoneinfo/")
    return [*([name] if within else []), *([rule] if rule else [])]
