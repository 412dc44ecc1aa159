"""Imports users from an organisation's directory, such as a CSV file."""

from __future__ import annotations

from muniment.people.changes import Change
from muniment.people.csv_directory import CsvDirectory
from muniment.people.directory import Directory
from muniment.people.directory_source import DirectorySource
from muniment.people.planning import PlannedPerson, changes_for


def decode(data: bytes) -> str:
    """Decode a CSV file as UTF-8, or as Windows-1252, which older spreadsheets write."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def import_csv(text: str, directory: Directory, filename: str = "the file") -> list[Change]:
    """Return the changes that bring the users in a file into the directory.

    Users and aliases that are not in the file stay as they are.

    Args:
        text: The file's text.
        directory: The current directory.
        filename: The file's name for messages.

    Raises:
        ConfigError: A line is wrong; the text names the file, the line and what is wrong.
    """
    return import_people(CsvDirectory(text, filename), directory)


def import_people(source: DirectorySource, directory: Directory, since: str = "") -> list[Change]:
    """Return the changes that bring the people of a source into the directory.

    People who have left change nothing, since the archive keeps their mail under their addresses.

    Args:
        source: The organisation's directory.
        directory: The current directory of the vault.
        since: The source's state up to which its people are in the vault already; "" for none.

    Raises:
        ConfigError: The source has something wrong, or can't be read.
    """
    entries = list(source.entries(since))
    people = [PlannedPerson(entry.name, entry.addresses) for entry in entries if entry.active]
    return changes_for(people, directory)
