"""The limits with which a source is opened. The defaults are for real servers and files."""

from __future__ import annotations

from dataclasses import dataclass

from muniment.net.limits import AnswerLimits


@dataclass(frozen=True, slots=True)
class SourceLimits(AnswerLimits):
    """Limits on messages and lists, besides those on every answer. All sizes are in bytes."""

    largest_message: int = 2 * 1024**3
    """Most bytes of one message whose size is not announced."""
    spare: int = 64 * 1024**2
    """Bytes that a message can have beyond twice its announced size, since some servers are wrong."""
    folder_list: int = 32 * 1024**2
    """Most bytes of a list of folders: 100,000 of them with long names."""
    listed_at_once: int = 5000
    """Number of messages in one request of an IMAP listing."""
    fetched_at_once: int = 500
    """Most messages in one request of an IMAP fetch: few round trips, and a command of at most 6 KB."""
    unpacked: int = 64 * 1024**2
    """Bytes to which any compressed file can unpack, however small it is."""
    free_space: int = 512 * 1024**2
    """Bytes that stay free on the disk of the work folder when a file is unpacked, or a long list is kept."""
    unchecked: int = 16 * 1024**2
    """Bytes that are unpacked or listed between two checks of the free space."""
    message_list: int = 2 * 1024**3
    """Most bytes of a list of messages, as a server sends it, and as it is kept in a file: 20 million of them
    with long keys."""

    def most_bytes(self, announced: int | None) -> int:
        """The most bytes of a message that are read, given the size that the server announced."""
        if announced is None:
            return self.largest_message
        return min(2 * announced + self.spare, self.largest_message)
