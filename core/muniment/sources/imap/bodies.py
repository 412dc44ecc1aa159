"""Fetches the bytes of messages in the selected folder: several small ones at once, a large one in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from muniment.sources.base import SPOOL_ABOVE, FetchedItem, MailItem, UnfetchedItem
from muniment.sources.endpoint import ServerEndpoint
from muniment.sources.imap.connection import ImapWire
from muniment.sources.mail_limits import overrun
from muniment.sources.remote import Answer
from muniment.sources.spool_files import kept, spool_file

GONE = "it is no longer in the folder"
PIECE = 4 * 1024 * 1024
"""Number of bytes of a large message to fetch at once, since imaplib keeps a literal in memory."""


class BodyFetcher:
    """Fetches messages in batches that fit into memory."""

    def __init__(self, endpoint: ServerEndpoint) -> None:
        self._endpoint = endpoint
        self.sizes_lie = False
        """Whether the server has sent more than it announced, so that its sizes count for nothing."""

    def batches(self, items: list[MailItem], most: int) -> Iterator[list[MailItem]]:
        """Group items that fit into memory together, at most `most` of them.

        An item that is too large is a batch by itself.
        """
        batch: list[MailItem] = []
        size = 0
        for item in items:
            length = self._length(item)
            if batch and (len(batch) >= most or size + length > SPOOL_ABOVE):
                yield batch
                batch, size = [], 0
            batch.append(item)
            size += length
        if batch:
            yield batch

    def fetch(self, wire: ImapWire, batch: Mapping[int, MailItem]) -> Iterator[Answer]:
        """Fetch the items of a batch, which are given by UID. Every item gets one answer."""
        uids = dict(batch)
        if all(self._length(item) <= SPOOL_ABOVE for item in uids.values()):
            announced = sum(self._length(item) for item in uids.values())
            for uid, body in wire.bodies(list(uids), announced):
                yield FetchedItem(uids.pop(uid), kept(body, self._endpoint.work))
        if not uids:
            return
        present = wire.present(list(uids))
        for uid, item in uids.items():
            content = self._by_pieces(wire, uid, item) if uid in present else None
            if content is not None:
                yield FetchedItem(item, content)
            elif uid in present:
                yield UnfetchedItem(item, "the server lists it but does not send it")
            else:
                yield UnfetchedItem(item, GONE, gone=True)

    def _length(self, item: MailItem) -> int:
        return SPOOL_ABOVE + 1 if item.size is None or self.sizes_lie else item.size

    def _by_pieces(self, wire: ImapWire, uid: int, item: MailItem) -> bytes | Path | None:
        piece = wire.piece(uid, 0, PIECE)
        if piece is None or len(piece) < PIECE:
            return piece
        with spool_file(self._endpoint.work) as (file, path):
            size = file.write(piece)
            while piece is not None and len(piece) == PIECE and size != item.size:
                if size > self._endpoint.limits.most_bytes(item.size):
                    raise overrun(self._endpoint, item)
                piece = wire.piece(uid, size, PIECE)
                size += file.write(piece or b"")
        if piece is None or size <= SPOOL_ABOVE:
            whole = path.read_bytes() if piece is not None else None
            path.unlink()
            return whole
        return path
