"""The time zone of the caller: how a client names it, and what a name means.

The days in a query and on the screen are in one zone, that of the client. Each request with days carries it
as a name (`Europe/Berlin`), a POSIX rule (`CET-1CEST,M3.5.0,M10.5.0/3`) or an offset (`+01:00`); "" is UTC.
Names need a database: Debian's, or the `tzdata` that comes with Muniment.
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
"""A name and its distance from UTC, twice. POSIX allows 24 hours, `datetime` less than that."""
_NAME = re.compile(r"[A-Za-z0-9_+/-]+")
_UTC = frozenset({"", "UTC", "UTC0", "UCT", "GMT", "GMT0", "Zulu", "Universal"})


def local_zone(machine: Path = MACHINE, written: Path = MACHINE_NAME) -> str:
    """The zone of this process in the form of requests: from TZ, otherwise from the machine's setting.

    Args:
        machine: the file of the machine's zone.
        written: the file with the name of that zone.
    """
    return _named(os.environ.get("TZ"), machine, written)


def local_tz() -> tzinfo:
    """The zone of this process."""
    return zone_of(local_zone())


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo:
    """The zone of a name, a rule or an offset; "" is UTC.

    Raises:
        ValueError: it is none of these, or this machine does not know it.
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
    raise ValueError(f"this machine knows no time zone {name!r}: set TZ to a name such as Europe/Berlin")


def _by_name(name: str) -> tzinfo | None:
    if not _NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return None


def _by_rule(rule: str) -> tzinfo | None:
    """A zone that has only this rule: a file in the format of the database, without transitions."""
    if not _RULE.fullmatch(rule):
        return None
    sizes = struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    header = b"TZif2" + bytes(15) + sizes + struct.pack(">lBB", 0, 0, 0) + b"UTC\0"
    try:
        return ZoneInfo.from_file(BytesIO(header * 2 + b"\n" + rule.encode("ascii") + b"\n"), key=rule)
    except (ValueError, OSError):
        return None


@lru_cache(maxsize=8)
def _named(setting: str | None, machine: Path, written: Path) -> str:
    """The meaning of TZ's value; None if TZ is not set. Then the files of the machine's zone count."""
    for name in _candidates(setting, machine, written):
        try:
            zone = zone_of(name)
        except ValueError:
            continue
        return "" if zone is UTC else name
    shift = time.strftime("%z")
    return "" if shift in ("", "+0000") else f"{shift[:3]}:{shift[3:]}"


def _candidates(setting: str | None, machine: Path, written: Path) -> list[str]:
    """Possible names of the zone, the best one first."""
    if setting is not None:
        name = setting.removeprefix(":")
        return _of_file(Path(name)) if name.startswith("/") else [name]
    return [*_written_down(machine, written), *_of_file(machine)]


def _written_down(machine: Path, written: Path) -> list[str]:
    """The machine's zone in the file where Debian writes its name, if that file is right."""
    try:
        name = written.read_text("ascii").strip()
        same = bool(name) and (DATABASE / name).read_bytes() == machine.read_bytes()
    except (OSError, ValueError):
        return []
    return [name] if same else []


def _of_file(path: Path) -> list[str]:
    """Names for a file of the database: from its path, and the rule at its end."""
    try:
        real = path.resolve(strict=True)
        if not real.is_file():  # reading a device may never end
            return []
        with real.open("rb") as file:
            file.seek(max(real.stat().st_size - LONGEST, 0))
            rule = file.read(LONGEST).rstrip(b"\n").rpartition(b"\n")[2].decode("ascii", "ignore")
    except OSError:
        return []
    _, within, name = str(real).rpartition("/zoneinfo/")
    return [*([name] if within else []), *([rule] if rule else [])]
