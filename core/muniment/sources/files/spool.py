"""The spool of the embedded gateway.

A message is written to `tmp/NAME`, synced, renamed to `new/NAME`, and `new/` is synced. So every file in
`new/` is complete. A name is never used again: it has the time, the process, a counter and a random part.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from muniment.errors import SourceError
from muniment.sources.base import FetchedItem, MailItem, SmtpEnvelope, UnfetchedItem
from muniment.sources.files.base import FileSource, key_of, name_of, open_plain, plain_names, remove
from muniment.sources.listing_store import ListingStore

_PASSING = (errno.EIO, errno.EACCES, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors of a note that is there and can be read later; a link, for example, never can."""
LONGEST_NOTE = 4 * 1024 * 1024
"""Most bytes of the note of a delivery. The gateway accepts at most a hundred recipients for a message."""


class SpoolSource(FileSource):
    """The messages in `new/`, in the order of their names, which begin with the time."""

    def _check(self) -> None:
        for name in ("new", "tmp"):
            try:
                (self._root / name).mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise SourceError(f"The spool {self._root} can't be made: {error.strerror}.") from error

    def listing(self) -> Iterator[MailItem]:
        """List every message that is there now, in the order of names."""
        self._passing.clear()
        roll = ListingStore(self._endpoint.work, self._endpoint.limits)
        roll.merge((key_of(name), "") for name in plain_names(self._root / "new", self._passing))
        self.expected = len(roll) + self._passing.count
        for key, _ in roll.by_key():
            try:
                found = (self._root / "new" / name_of(key)).stat()
            except FileNotFoundError:
                continue
            except OSError:  # fetching it gives the reason
                yield MailItem(self._place, key)
                continue
            yield MailItem(self._place, key, found.st_size, date=int(found.st_mtime))

    def _answer(self, item: MailItem) -> FetchedItem | UnfetchedItem:
        note = self._read_note(item)
        known = replace(item, delivered=_delivered(note), envelope=_envelope(note.get("envelope")))
        return self._read(known, self._root / "new" / name_of(item.key))

    def delete(self, items: Iterable[MailItem]) -> list[MailItem]:
        """Unlink messages and their notes, and sync the folder (see Source.delete)."""
        paths = ((item, self._root / "new" / name_of(item.key)) for item in items)
        gone = remove(paths, self._note_kept)
        for item in gone:
            self._note(item).unlink(missing_ok=True)
        return gone

    def _note(self, item: MailItem) -> Path:
        return self._root / "delivered" / f"{name_of(item.key)}.json"

    def _read_note(self, item: MailItem) -> dict[str, Any]:
        """The gateway's note of a delivery; empty if the note is missing or damaged.

        Raises OSError if it can't be read now, since the mail would lose its envelope.
        """
        try:
            with open_plain(self._note(item)) as file:
                note = json.loads(file.read(LONGEST_NOTE))
        except OSError as error:
            if error.errno in _PASSING:
                raise
            return {}
        except (ValueError, RecursionError):
            return {}
        return note if isinstance(note, dict) else {}


def _delivered(note: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Who delivered a message: the texts of the note, by their names."""
    return tuple((name, value) for name, value in note.items() if isinstance(value, str))


def _envelope(value: object) -> SmtpEnvelope | None:
    """The SMTP envelope in a note; None if the note has none that can be read."""
    if not isinstance(value, dict):
        return None
    originals = value.get("original", {})
    return SmtpEnvelope(
        sender=str(value.get("from", "")),
        recipients=_texts(value.get("to")),
        people=_texts(value.get("people")),
        headers=_texts(value.get("headers")),
        originals=tuple((str(to), str(one)) for to, one in originals.items())
        if isinstance(originals, dict)
        else (),
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
