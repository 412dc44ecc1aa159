"""What a source passes over: files that are no mail, folders it can't read. Counted, and named by example."""

from __future__ import annotations

from muniment.sources.base import PassedOver

EXAMPLES = 5
"""Names that are kept of what is passed over for one reason."""

EMPTY = "an empty file"
BLANK = "a file of blank lines"
LINK = "a symbolic link"
SPECIAL = "no regular file"
INDEX = "an index or a setting of a mail program"
NO_MAIL = "a file without a mail's header"
WEB_PAGE = "a web page"
APPLE_DOUBLE = "an AppleDouble file of macOS (._NAME)"
OUTLOOK = "an Outlook item (.msg), which is for a later version of Muniment"
OUTLOOK_DATA = "an Outlook data file (.pst, .ost): export its mail, then archive that"
PACKED_FILES = "an archive of files (.zip, .tar): unpack it first"
DAMAGED = "a compressed file that is damaged"
BOMB = "a compressed file that unpacks to far more than mail does: unpack it by hand if it is mail"
NO_ROOM = "a compressed file for which the work folder has no room"


class Passing:
    """Collects what is passed over. Memory does not grow with the number of files."""

    def __init__(self) -> None:
        self.count = 0
        self._found: dict[str, tuple[int, tuple[str, ...]]] = {}

    def clear(self) -> None:
        """Forget all, as a new listing begins."""
        self.count = 0
        self._found = {}

    def add(self, name: str, reason: str) -> None:
        """Pass over what has this name, as the file system gives it."""
        self.count += 1
        count, examples = self._found.get(reason, (0, ()))
        if len(examples) < EXAMPLES:
            examples = (*examples, readable(name))
        self._found[reason] = (count + 1, examples)

    def told(self) -> list[PassedOver]:
        """All of it, by reason, in the order in which the reasons were met."""
        return [PassedOver(reason, *found) for reason, found in self._found.items()]


def readable(name: str) -> str:
    """A file's name as text that can be encoded: bytes that are no UTF-8 become U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def unreadable_folder(error: OSError) -> str:
    """The reason why what lies in a folder is passed over."""
    return f"a folder that can't be read ({error.strerror}): check its owner and permissions"


def unreadable_file(error: OSError) -> str:
    """The reason why a file of many messages is passed over."""
    return f"a file that can't be read ({error.strerror}): check its owner and permissions"
