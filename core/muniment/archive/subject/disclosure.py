"""In which form a person is given a message: as it was archived, or in its public form.

The bytes of a message can name people whom its readers must not know of: Bcc recipients, and recipients in
fields that servers write. So a message is given as it was archived only if nothing that its public form
leaves out could name anyone else. The message itself is the person's to see: the reviewer of a request
decides whether it concerns others too much.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager

from muniment.archive.catalog import MessageRow
from muniment.archive.files.contents import opened
from muniment.archive.files.temp_files import own_work
from muniment.archive.subject.requests import SubjectRequest
from muniment.archive.vault.vault import Vault
from muniment.mail.content.hidden_names import hides_others
from muniment.mail.content.public import public_pieces
from muniment.mail.headers.fields import BLOCK_LIMIT, header_end
from muniment.mail.model import MailBuffer

PIECE = 1024 * 1024
"""Most bytes that are handed on at a time."""


class Disclosure:
    """A message as the person is given it. Use it as a context."""

    def __init__(self, vault: Vault, row: MessageRow, own: Collection[str]) -> None:
        """Prepare to read a message; `own` has the person's addresses, normalised."""
        self.row = row
        self._own = own
        self._opened: AbstractContextManager[MailBuffer] = opened(
            vault.reader.content(row.sha), row.size, own_work(vault.folder)
        )
        self.changed = False
        """Whether it is in its public form."""
        self.possible = True
        """Whether it can be given: header fields can be left out only of a header of usual length."""
        self._digest = hashlib.sha256()
        self.size = 0
        """Bytes that were read."""

    def __enter__(self) -> Disclosure:
        """Open the message.

        Raises:
            LedgerDamaged: It can't be read back.
        """
        self._buffer = self._opened.__enter__()
        self.changed = hides_others(self._buffer, self._own)
        self.possible = not self.changed or header_end(self._buffer) <= BLOCK_LIMIT
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.__exit__(None, None, None)

    def pieces(self) -> Iterator[bytes]:
        """Yield its bytes, once."""
        pieces = public_pieces(self._buffer, PIECE) if self.changed else self._whole()
        for piece in pieces:
            self._digest.update(piece)
            self.size += len(piece)
            yield piece

    def _whole(self) -> Iterator[bytes]:
        for start in range(0, len(self._buffer), PIECE):
            yield self._buffer[start : start + PIECE]

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes that were read, in hex."""
        return self._digest.hexdigest()


def own_addresses(vault: Vault, request: SubjectRequest) -> frozenset[str]:
    """Return all addresses that the person of a request has or ever had, normalised."""
    found: set[str] = set()
    for person in request.selection.people:
        found.update(span.address for span in person.addresses)
        if person.user:
            found |= vault.directory.ever.addresses(person.user)
    return frozenset(found)
