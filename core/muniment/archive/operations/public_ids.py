"""Public ids: ids of messages for plain users, which reveal nothing about a message.

A message's SHA-256 covers its Bcc field: a reader who knows the rest of the message can try names until the
hash matches. So plain users get a public id, made with a secret key of the vault (see people.changes,
`set-id-key`). It is as long as a SHA-256, and stays the same after a rebuild.

The first 8 hex digits encrypt the message's number, so any prefix of at least 8 digits leads to one message
without an index of ids. The rest is a keyed hash of the SHA-256.
"""

from __future__ import annotations

import hmac
import secrets

from muniment.archive.catalog import MessageReader, MessageRow

KEY_BYTES = 32
DIGITS = 8
"""Hex digits that encrypt the number; also the shortest prefix of an id."""
ROUNDS = 8
"""Rounds of a Feistel network over 32 bits; 4 are enough to make it indistinguishable from a random one."""
_HALF = 16
_MASK = (1 << _HALF) - 1


def new_key() -> bytes:
    """Make a random key for the public ids of a vault."""
    return secrets.token_bytes(KEY_BYTES)


class PublicIds:
    """The public ids of a vault."""

    def __init__(self, key: bytes) -> None:
        """Keep the key, a secret of KEY_BYTES bytes."""
        self._key = key

    def of(self, number: int, sha: bytes) -> str:
        """Return the public id of a message, as 64 hex digits.

        Args:
            number: The message's number: the sequence of its record.
            sha: SHA-256 of the message, 32 bytes.
        """
        left, right = (number >> _HALF) & _MASK, number & _MASK
        for step in range(ROUNDS):
            left, right = right, left ^ self._mixed(step, right)
        rest = hmac.digest(self._key, b"message" + sha, "sha256").hex()
        return f"{left << _HALF | right:0{DIGITS}x}{rest[DIGITS:]}"

    def number(self, prefix: str) -> int:
        """Return the number in a public id, of which at least DIGITS hex digits must be given."""
        value = int(prefix[:DIGITS], 16)
        left, right = value >> _HALF, value & _MASK
        for step in reversed(range(ROUNDS)):
            left, right = right ^ self._mixed(step, left), left
        return left << _HALF | right

    def _mixed(self, step: int, half: int) -> int:
        digest = hmac.digest(self._key, b"number" + bytes((step,)) + half.to_bytes(2, "big"), "sha256")
        return int.from_bytes(digest[:2], "big")

    def find(self, catalog: MessageReader, prefix: str) -> MessageRow | None:
        """Return the message whose public id begins with `prefix`, or the original that displaced it.

        It returns None if there is no such message, and takes the same time then.
        """
        digits = prefix.strip().lower()
        number = self.number(digits)
        sha, row = catalog.message_of_record(number)
        return row if self.of(number, sha).startswith(digits) and row is not None else None
