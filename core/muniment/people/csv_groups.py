"""Groups in a CSV file: a header line, then lines of group,member[,since[,until]]."""

from __future__ import annotations

from collections.abc import Callable

from muniment.errors import ConfigError
from muniment.people.csv_directory import csv_rows
from muniment.people.group_planning import WantedMember
from muniment.people.groups import check_name, name_key

Day = Callable[[str], tuple[int, int]]
"""Takes a typed day, and returns its first second and the first second after it. It raises ValueError."""


def read_groups(text: str, filename: str, day: Day) -> dict[str, list[WantedMember]]:
    """Return the members that a file names, by the name of their group.

    Args:
        text: The file's text. Columns are separated as in a file of users (see `csv_directory`).
        filename: The file's name for messages.
        day: Reads the days `since` and `until`, which both count.

    Raises:
        ConfigError: A line is wrong; the text names the file, the line and what is wrong.
    """
    rows = csv_rows(text, filename)
    line, header = next(rows, (1, []))
    if not header or any("@" in cell for cell in header):
        raise ConfigError(
            f"{filename}, line {line}: the first line must be a header: group,member,since,until."
        )
    found: dict[str, list[WantedMember]] = {}
    names: dict[str, str] = {}
    for line, cells in rows:
        try:
            group, member, since, until, *_ = [*(cell.strip() for cell in cells), "", "", ""]
            name = check_name(group)
            if not member:
                raise ConfigError("there is no member.")
            wanted = WantedMember(member, day(since)[0] if since else None, day(until)[1] if until else None)
        except ConfigError as error:
            raise ConfigError(f"{filename}, line {line}: {error}") from error
        except ValueError as error:
            raise ConfigError(
                f"{filename}, line {line}: {since!r} or {until!r} is no day; write 2027-03-31."
            ) from error
        found.setdefault(names.setdefault(name_key(name), name), []).append(wanted)
    return found
