"""What a source passes over: files that are no mail, and folders that it can't read.

They are counted, and a few of them are named.
"""

from __future__ import annotations

from muniment.sources.base import PassedOver

EXAMPLES = 5
"""Number of names that are kept for each reason."""

EMPTY = "an empty file"
BLANK = "a file of blank lines"
LINK = "a symbolic link"
SPECIAL = "no regular file"
INDEX = "an index or a setting of a mail program"
NO_MAIL = "a file without a mail's header"
WEB_PAGE = "a web page"
APPLE_DOUBLE = "an AppleDouble file of macOS (._NAME)"
OUTLOOK = "an Outlook item (.msg), which this version of Muniment can't read"
OUTLOOK_DATA = "an Outlook data file (.pst, .ost): export its mail and archive the exported files"
PACKED_FILES = "an archive of files (.zip, .tar): unpack it first"
DAMAGED = "a compressed file that is damaged"
BOMB = "a compressed file that unpacks to far more than mail does: unpack it by hand if it is mail"
NO_ROOM = "a compressed file for which the work folder has no room"


class PassedOverCounter:
    """Collects what a listing passes over. Memory does not grow with the number of files."""

    def __init__(self) -> None:
        self.count = 0
        self._found: dict[str, tuple[int, tuple[str, ...]]] = {}

    def clear(self) -> None:
        """Forget everything; call it when a new listing begins."""
        self.count = 0
        self._found = {}

    def add(self, name: str, reason: str) -> None:
        """Count a file or folder that is passed over; `name` is as the file system gives it."""
        self.count += 1
        count, examples = self._found.get(reason, (0, ()))
        if len(examples) < EXAMPLES:
            examples = (*examples, readable(name))
        self._found[reason] = (count + 1, examples)

    def by_reason(self) -> list[PassedOver]:
        """Everything that was passed over, grouped by reason, in the order in which the reasons came up."""
        return [PassedOver(reason, *found) for reason, found in self._found.items()]


def readable(name: str) -> str:
    """A file's name as valid text: each byte that is not UTF-8 becomes U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def unreadable_folder(error: OSError) -> str:
    """The reason for a folder that is passed over because it can't be read."""
    return f"a folder that can't be read ({error.strerror}): check its owner and permissions"


def unreadable_file(error: OSError) -> str:
    """The reason for a file of many messages that is passed over because it can't be read."""
    return f"a file that can't be read ({error.strerror}): check its owner and permissions"
