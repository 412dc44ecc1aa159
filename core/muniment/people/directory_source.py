"""The protocol of a directory of an organisation, from which users are taken: a file, later a server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """A person in an organisation's directory, as they are now."""

    id: str
    """Its name in the source, which no other entry has. It stays if the person is renamed."""
    name: str
    addresses: tuple[str, ...]
    """The person's mail addresses, normalised, the primary one first; empty only for one who has left."""
    active: bool = True
    """False for a person who has left. Their mail and addresses in the archive stay as they are."""


class DirectorySource(Protocol):
    """A directory that can list its people, or only those that have changed since a **state**.

    A state is an opaque text that the source made. The caller keeps it once the entries are taken over, and
    passes it to the next source of the same directory. States only save time: without one, or with one that
    the directory no longer knows, everybody is listed.
    """

    def entries(self, since: str = "") -> Iterator[DirectoryEntry]:
        """List people.

        Nobody is left out who was changed since that state, and no id is listed twice. The addresses of two
        active people are never the same. An unchanged person may be listed again. A source that knows who has
        left since then lists them as not active; one that does not know leaves them out.

        Args:
            since: A state that `state` returned; "" for all people.

        Raises:
            ConfigError: What the source has is wrong; the message says where. Nothing may be taken over then.
            MunimentError: The source can't be read.
        """

    def state(self) -> str:
        """The state up to which people were listed; never "".

        Call it after `entries` has ended. Two equal states mean that nothing has changed in between.
        """
